"""Loading Keras model files, which may carry code, into a child-proof form: read first, refused by name, then built."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from edgecompress.child.kept import kept
from edgecompress.environment import load_tf_keras, load_tfmot
from edgecompress.errors import EdgeCompressError, ModelFileError, UnsupportedModelError, UntrustedCodeError
from edgecompress.formats.keras_code import Code
from edgecompress.formats.keras_file import copy_checked, read_keras
from edgecompress.keras_bridge.bounded import no_more_weights
from edgecompress.keras_bridge.graph import walk_layers
from edgecompress.keras_bridge.keras3 import load_keras3
from edgecompress.keras_bridge.precision import in_float32
from edgecompress.keras_bridge.reading import explained
from edgecompress.keras_bridge.wrappers import unwrapped
from edgecompress.layers import custom_objects
from edgecompress.values import LayerNote

REASON_CHARACTERS = 200  # errors may hold whole model configs
# Classes of Keras 2 and TF-MOT that are not among their public ones, or not in their scopes.
UNLISTED = (
    "TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty", "TensorFlowOpLayer",
    "ClusterWeightsMHA",
)  # fmt: skip
SHOWN_LAYERS = 5


@dataclass(frozen=True)
class Loaded:
    """A model, and what was done to it on the way, layer by layer: "unwrapped", "made float32" or "left out"."""

    model: Any
    notes: tuple[LayerNote, ...] = ()


def load_model(path: Path, *, trust: bool = False) -> Any:
    """Return the model of `load_noted`, for those who tell its notes elsewhere."""
    return load_noted(path, trust=trust).model


def load_noted(path: Path, *, trust: bool = False, as_it_is: bool = False) -> Loaded:
    """Load a functional or Sequential model from an `.h5` or `.keras` file, without compiling it.

    What TF-MOT's pruning and clustering left on is taken off, and what computes in 16 or 64 bits does so in 32. A model
    of Keras 3 is translated to Keras 2, and compared with its translation; `as_it_is`, one that Keras 2 has no equal of
    stays one of Keras 3, a `NativeModel`, which can be emitted and compared.

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
        load = partial(load_keras3, as_it_is=as_it_is) if checked.keras_version.startswith("3") else _load_keras2
        return _load(partial(load, source, path, stored=checked.elements, trust=trust), path)


def _load(load: Callable[[], tuple[Any, tuple[LayerNote, ...]]], path: Path) -> Loaded:
    """Have Keras load `path`, or the checked copy of it."""
    try:
        return Loaded(*load())
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"'{path}' cannot be read as a Keras model: {_first_line(error)}") from error


def _load_keras2(source: Path, path: Path, *, stored: int | None, trust: bool) -> tuple[Any, tuple[LayerNote, ...]]:
    from edgecompress.keras_bridge import larq

    keras, tfmot = load_tf_keras(), load_tfmot()
    known = keras.utils.custom_object_scope({**custom_objects(), **larq.stand_ins()})
    with (
        tfmot.quantization.keras.quantize_scope(),
        tfmot.sparsity.keras.prune_scope(),
        tfmot.clustering.keras.cluster_scope(),
        known,
    ):
        try:
            with no_more_weights(keras.layers.Layer, stored, name=str(path)):
                model = keras.models.load_model(source, compile=False, safe_mode=not trust)
        except EdgeCompressError:
            raise
        except Exception as error:  # of any class: a file may hold anything
            raise explained(source, path, rebuild=_rebuilt, known=_is_known, reader="Keras 2") from error
        try:
            model, taken_off = unwrapped(larq.translate(model))
            model, widened = in_float32(model, layers=walk_layers)
        except (ValueError, TypeError, AttributeError, LookupError, RuntimeError) as error:
            raise UnsupportedModelError(
                f"'{path}' can be read, but its layers cannot be put together anew.",
                hint="Rebuild it with the functional API, keras.Model(inputs, outputs), of Keras's own layers.",
            ) from error
    return model, (*taken_off, *widened)


def _rebuilt(stored: dict[str, Any]) -> Any:
    if stored["class_name"] == "ClusterWeightsMHA":  # TF-MOT makes it, but cannot call what it reads back
        raise NotImplementedError
    return load_tf_keras().layers.deserialize(stored)


def _is_known(stored: dict[str, Any]) -> bool:
    """Return whether a stored layer's class is one of Keras 2, TF-MOT, Larq or this package."""
    keras, kind = load_tf_keras(), stored["class_name"]
    return kind in UNLISTED or hasattr(keras.layers, kind) or keras.utils.get_registered_object(kind) is not None


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
