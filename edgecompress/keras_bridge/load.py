"""Loading Keras model files, which may carry code, into a child-proof form: read first, refused by name, then built."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecompress.child.kept import kept
from edgecompress.environment import load_tf_keras, load_tfmot
from edgecompress.errors import ModelFileError, UnsupportedModelError, UntrustedCodeError
from edgecompress.formats.keras_code import Code
from edgecompress.formats.keras_file import copy_checked, read_keras
from edgecompress.keras_bridge.keras3 import load_keras3
from edgecompress.layers import custom_objects

REASON_CHARACTERS = 200  # Keras's errors may hold whole model configs
SHOWN_LAYERS = 5


def load_model(path: Path, *, trust: bool = False) -> Any:
    """Load a functional or Sequential model from an `.h5` or `.keras` file, without compiling it.

    Raises:
        ModelFileError: not such a file, cut short or damaged.
        UntrustedCodeError: it has or names code (see `formats.keras_code`), and `trust` is not given.
        UnsupportedModelError: subclassed, or with layers that Keras 2 and TF-MOT lack and `larq` does not translate.
    """
    with tempfile.TemporaryDirectory(prefix="edgecompress-") as folder:
        with kept():
            read_keras(path)
            checked = copy_checked(path, Path(folder))
        if checked.code and not trust:
            raise _untrusted(path, checked.code)
        source = Path(folder) / checked.name if checked.name else path
        return _load(source, path, is_keras3=checked.keras_version.startswith("3"), trust=trust)


def _load(source: Path, path: Path, *, is_keras3: bool, trust: bool) -> Any:
    """Have Keras load `source`, which is `path` itself or the checked copy of it."""
    keras = load_tf_keras()
    tfmot = load_tfmot()
    try:
        if is_keras3:
            return load_keras3(source, trust=trust)
        from edgecompress.keras_bridge import larq

        known = keras.utils.custom_object_scope({**custom_objects(), **larq.stand_ins()})
        with tfmot.quantization.keras.quantize_scope(), tfmot.sparsity.keras.prune_scope(), known:
            return larq.translate(keras.models.load_model(source, compile=False, safe_mode=not trust))
    except NotImplementedError as error:  # a RuntimeError, but about layers
        raise _cannot_rebuild(path, error) from error
    except (OSError, KeyError, IndexError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"'{path}' cannot be read as a Keras model: {_first_line(error)}") from error
    except (ValueError, TypeError, AttributeError, ImportError) as error:
        raise _cannot_rebuild(path, error) from error


def _untrusted(path: Path, code: Sequence[Code]) -> UntrustedCodeError | UnsupportedModelError:
    """Name the layers and what is in them; trust helps only where there is something to be run."""
    runs = [each for each in code if each.loadable]
    named = "; ".join(f"{each.layer} ({each.what})" for each in (runs or code)[:SHOWN_LAYERS])
    more = f"; and {len(runs or code) - SHOWN_LAYERS} more" if len(runs or code) > SHOWN_LAYERS else ""
    plural = "s" if len(runs or code) > 1 else ""
    if runs:
        return UntrustedCodeError(
            f"'{path}' carries code, or names code to be run, in the layer{plural} {named}{more}. "
            "It would run on this machine.",
            hint="If you trust who made the file, say --trust.",
        )
    return UnsupportedModelError(
        f"'{path}' names what neither Keras nor edgecompress has, in the layer{plural} {named}{more}.",
        hint="Custom layers and functions must be replaced by Keras's own before the model is saved.",
    )


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
