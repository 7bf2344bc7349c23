"""Loading Keras model files, which may carry code, into a child-proof form: read first, refused by name, then built."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from edgecompress.environment import load_tf_keras, load_tfmot
from edgecompress.errors import ModelFileError, UnsupportedModelError, UntrustedCodeError
from edgecompress.formats.keras_file import code_layers, read_keras
from edgecompress.keras_bridge.keras3 import load_keras3
from edgecompress.layers import custom_objects

REASON_CHARACTERS = 200  # Keras's errors may hold whole model configs


def load_model(path: Path, *, trust: bool = False) -> Any:
    """Load a functional or Sequential model from an `.h5` or `.keras` file, without compiling it.

    Raises:
        ModelFileError: not such a file, cut short or damaged.
        UntrustedCodeError: it has a Lambda layer, which is arbitrary code, and `trust` is not given.
        UnsupportedModelError: subclassed, or with layers that Keras 2 and TF-MOT lack and `larq` does not translate.
    """
    read_keras(path)
    carriers = code_layers(path)
    if carriers and not trust:
        raise UntrustedCodeError(
            f"'{path}' carries code in the layer{'s' if len(carriers) > 1 else ''} {', '.join(carriers)}, "
            "which would run on this machine.",
            hint="If you trust who made the file, say --trust.",
        )
    keras = load_tf_keras()
    tfmot = load_tfmot()
    try:
        if _is_keras3(path):
            return load_keras3(path, trust=trust)
        from edgecompress.keras_bridge import larq

        known = keras.utils.custom_object_scope({**custom_objects(), **larq.stand_ins()})
        with tfmot.quantization.keras.quantize_scope(), tfmot.sparsity.keras.prune_scope(), known:
            return larq.translate(keras.models.load_model(path, compile=False, safe_mode=not trust))
    except NotImplementedError as error:  # a RuntimeError, but about layers
        raise _cannot_rebuild(path, error) from error
    except (OSError, KeyError, IndexError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"'{path}' cannot be read as a Keras model: {_first_line(error)}") from error
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        raise _cannot_rebuild(path, error) from error


def _is_keras3(path: Path) -> bool:
    """Return whether Keras 3 wrote the file, by what it says itself."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return str(json.loads(archive.read("metadata.json")).get("keras_version", "")).startswith("3")
    import h5py

    with h5py.File(path, "r") as file:
        return str(file.attrs.get("keras_version", "")).startswith("3")


def _cannot_rebuild(path: Path, error: Exception) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"'{path}' is a Keras model that Keras 2 cannot rebuild: {_first_line(error)}",
        hint="Custom layers must be replaced by Keras's own.",
    )


def is_quantization_aware(model: Any) -> bool:
    """Return whether the model has TF-MOT's fake-quantization wrappers."""
    return any(type(layer).__name__.startswith(("QuantizeWrapper", "QuantizeLayer")) for layer in model.layers)


def save_model(model: Any, path: Path) -> None:
    """Save as HDF5: Keras 2's newer format cannot read models with TF-MOT's wrappers back."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path, save_format="h5", include_optimizer=False)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:REASON_CHARACTERS]
