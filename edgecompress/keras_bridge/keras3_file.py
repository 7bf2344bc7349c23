"""Model files of Keras 3, read and written: `.keras`, and the `.h5` that it still reads."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from edgecompress.environment import load_keras
from edgecompress.errors import EdgeCompressError, UnsupportedModelError
from edgecompress.keras_bridge.bounded import no_more_weights
from edgecompress.keras_bridge.precision import in_float32
from edgecompress.keras_bridge.reading import explained, require_operations_kept
from edgecompress.keras_bridge.walks import functional_of, walk_layers
from edgecompress.keras_types import Model
from edgecompress.layers import custom_objects
from edgecompress.values import LayerNote

_NO_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that zip has


def load_keras3(
    source: Path, path: Path, *, stored: int | None, trust: bool = False
) -> tuple[Any, tuple[LayerNote, ...]]:
    """Load `source`, a copy of the file `path` that Keras 3 wrote, in float32; notes say what was made so.

    `stored` is how many elements its weights have in the file; None for what is trusted.

    Raises:
        ModelFileError: its weights or its graph do not fit its layers, or these need more weights.
        UnsupportedModelError: a layer cannot be rebuilt, or the model is subclassed.
    """
    keras = load_keras()
    require_operations_kept(source, path, is_layer=lambda kind: hasattr(keras.layers, kind))
    try:
        with (
            no_more_weights(keras.layers.Layer, stored, name=str(path)),
            keras.utils.custom_object_scope(custom_objects()),
        ):
            model = keras.models.load_model(source, compile=False, safe_mode=not trust)
    except EdgeCompressError:
        raise
    except Exception as error:  # of any class: a file may hold anything
        raise explained(
            source,
            path,
            rebuild=lambda stored: _rebuilt(stored, trust=trust),
            known=_is_public,
            reader=f"Keras {keras.__version__}",
        ) from error
    functional_of(model)
    try:
        return in_float32(model, layers=walk_layers)
    except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, NotImplementedError) as error:
        raise UnsupportedModelError(
            f"'{path}' computes in other than float32, and Keras cannot put it together anew.",
            hint="Build it in float32, with the same weights.",
        ) from error


def save_keras3(model: Model, path: Path) -> None:
    """Save a model in the `.keras` format so that equal models are equal bytes; the caller sees to it that it is whole.

    Keras writes the date, the times of the parts, and addresses in memory as the numbers of objects that are shared.
    """
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist() if not info.is_dir()}
    metadata = json.loads(parts["metadata.json"])
    metadata.pop("date_saved", None)
    parts["metadata.json"] = json.dumps(metadata).encode()
    parts["config.json"] = json.dumps(_numbered(json.loads(parts["config.json"]), {})).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, _NO_DATE), content)
    path.write_bytes(file.getvalue())


def _numbered(config: Any, numbers: dict[int, int]) -> Any:
    """Return a config in which shared objects are numbered in the order in which they come."""
    if isinstance(config, list):
        return [_numbered(each, numbers) for each in config]
    if not isinstance(config, dict):
        return config
    return {
        key: numbers.setdefault(each, len(numbers) + 1) if key == "shared_object_id" else _numbered(each, numbers)
        for key, each in config.items()
    }


def _is_public(stored: dict[str, Any]) -> bool:
    """Return whether a stored layer or operation is one of Keras 3 or ours; only the .keras format says its module."""
    keras = load_keras()
    if stored["class_name"] in custom_objects():
        return True
    if "module" in stored:
        return str(stored["module"]).partition(".")[0] == "keras"  # it is None of a custom class
    kind, config = stored["class_name"], stored.get("config")
    operation = str(config.get("name") if isinstance(config, dict) else "").rstrip("_0123456789")
    return hasattr(keras.layers, kind) or any(hasattr(each, operation) for each in (keras.ops, keras.ops.image))


def _rebuilt(stored: dict[str, Any], *, trust: bool) -> Any:
    keras = load_keras()
    with keras.utils.custom_object_scope(custom_objects()):
        if "module" in stored:
            return keras.saving.deserialize_keras_object(stored, safe_mode=not trust)
        known = {**vars(keras.layers), **custom_objects()}
        return keras.utils.legacy.deserialize_keras_object(stored, module_objects=known)  # of the .h5 format
