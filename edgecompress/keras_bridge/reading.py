"""Which layer of a stored model Keras stumbles over, and why: what Keras says itself is for who wrote the model."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from edgecompress.errors import EdgeCompressError, ModelFileError, UnsupportedModelError

FAKE_QUANTIZATION = ("QuantizeLayer", "QuantizeWrapper", "QuantizeWrapperV2")
SHOWN_LAYERS = 5
SHOWN_CHARACTERS = 60  # of what a file says, in a message


def explained(
    source: Path,
    path: Path,
    *,
    rebuild: Callable[[dict[str, Any]], Any],
    known: Callable[[dict[str, Any]], bool],
    reader: str,
) -> EdgeCompressError:
    """Return why `reader` could not load a model file, as the error to raise; it is `path`, or its copy `source`.

    `rebuild` makes one layer of what is stored of it; `known` tells whether its class is one that can be there. An
    UnsupportedModelError names the layer; a ModelFileError says that each can be rebuilt, but not all of them together.
    Fake quantization is such a case, which is named: Keras 2 writes it to .keras files, and does not read it back.
    """
    whole = _config(source)
    quantizing: list[str] = []
    for stored in _layers(whole):
        kind = stored["class_name"][:SHOWN_CHARACTERS]
        if stored is whole:
            return UnsupportedModelError(
                f"'{path}' holds a subclassed model ({kind}), whose graph is Python code and not in the file.",
                hint="Rebuild it with the functional API, keras.Model(inputs, outputs).",
            )
        what = f"Layer '{_name(stored)}' ({kind})"
        if kind in FAKE_QUANTIZATION:
            quantizing.append(f"'{_name(stored)}'")
        if not known(stored):
            return UnsupportedModelError(
                f"{what} in '{path}' is of a class of its own, whose code is not in the file.",
                hint="Build the model of Keras's own layers, and save it again.",
            )
        try:
            rebuild(stored)
        except Exception:  # of any class: a config may hold anything
            return UnsupportedModelError(
                f"{what} in '{path}' cannot be rebuilt by {reader} from what the file holds of it.",
                hint="Save the model in the .keras format, which holds operations as well, or without it.",
            )
    if quantizing and zipfile.is_zipfile(source):
        return UnsupportedModelError(
            f"'{path}' has TF-MOT's fake quantization, at {', '.join(quantizing[:SHOWN_LAYERS])}, which {reader} "
            "cannot read back from the .keras format.",
            hint="Save the model in the .h5 format: model.save('model.h5', save_format='h5').",
        )
    return ModelFileError(
        f"'{path}' cannot be read by {reader}: its weights or its graph do not fit its layers.",
        hint="Save or copy the model again, in the .keras format, which holds operations such as x + 1 as well.",
    )


def require_operations_kept(source: Path, path: Path, *, is_layer: Callable[[str], bool]) -> None:
    """Refuse operations of Keras 3 in an .h5 file that Keras takes for the layers of their names, by the names.

    They have no dtype there. Of those, `Concatenate`, and `Softmax` along one axis, mean what the layers do.
    """
    if zipfile.is_zipfile(source):
        return
    taken = []
    for stored in _layers(_config(source)):
        kind, config = stored["class_name"], stored.get("config")
        if not isinstance(config, dict) or "dtype" in config or "layers" in config or not is_layer(kind):
            continue
        if kind not in ("Concatenate", "Softmax") or not isinstance(config.get("axis"), int):
            taken.append(f"'{_name(stored)}' ({kind[:SHOWN_CHARACTERS]})")
    if taken:
        raise UnsupportedModelError(
            f"'{path}' has operations that are no layers, {', '.join(taken[:SHOWN_LAYERS])}; the .h5 format does not "
            "keep their arguments, and Keras takes them for the layers of their names.",
            hint="Save the model in the .keras format, which holds operations as well.",
        )


def _name(stored: dict[str, Any]) -> str:
    config = stored.get("config")
    return str(config.get("name") if isinstance(config, dict) else stored.get("name"))[:SHOWN_CHARACTERS]


def _config(source: Path) -> Any:
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                return json.loads(archive.read("config.json"))
        import h5py

        with h5py.File(source, "r") as file:
            return json.loads(file.attrs["model_config"])
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, zipfile.BadZipFile):
        return {}


def _layers(config: Any) -> Iterator[dict[str, Any]]:
    """Yield the stored layers of a model, those of nested models in the place of the models."""
    inner = config.get("config") if isinstance(config, dict) else None
    layers = inner.get("layers") if isinstance(inner, dict) else None
    if isinstance(layers, list):
        for layer in layers:
            yield from _layers(layer)
    elif isinstance(config, dict) and isinstance(config.get("class_name"), str):
        yield config
