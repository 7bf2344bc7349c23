"""Model files of Keras 2, read by Keras 2, and written: Keras 3 reads them otherwise, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgecompress.environment import load_tf_keras, load_tfmot
from edgecompress.errors import EdgeCompressError, UnsupportedModelError
from edgecompress.keras_bridge.bounded import no_more_weights
from edgecompress.keras_bridge.precision import in_float32
from edgecompress.keras_bridge.reading import explained
from edgecompress.keras_types import Model
from edgecompress.tfmot.graph import copy_model, walk_layers
from edgecompress.tfmot.wrapping.wrappers import unwrapped
from edgecompress.values import LayerNote

# Classes of Keras 2 and TF-MOT that are not among their public ones, or not in their scopes.
UNLISTED = (
    "TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty", "TensorFlowOpLayer",
    "ClusterWeightsMHA",
)  # fmt: skip


def load_keras2(
    source: Path, path: Path, *, stored: int | None, trust: bool = False
) -> tuple[Any, tuple[LayerNote, ...]]:
    """Load `source`, a copy of the file `path` that Keras 2 wrote, in float32, nested models flattened, with notes.

    One with binary layers comes as a model of Keras 3, which has this package's; one with TF-MOT's fake quantization as
    it is.

    Raises:
        ModelFileError: its weights or its graph do not fit its layers, or these need more weights.
        UnsupportedModelError: a layer cannot be rebuilt, or the model is subclassed.
    """
    from edgecompress.tfmot.stand_ins import translation as stand_ins

    keras, tfmot = load_tf_keras(), load_tfmot()
    known = keras.utils.custom_object_scope(stand_ins.classes())
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
            if stand_ins.are_in(model):
                return stand_ins.translate(model)
            model, taken_off = unwrapped(model)
            model, widened = in_float32(model, layers=walk_layers)
            model = model if is_quantization_aware(model) else copy_model(model)
        except (ValueError, TypeError, AttributeError, LookupError, RuntimeError) as error:
            raise UnsupportedModelError(
                f"'{path}' can be read, but its layers cannot be put together anew.",
                hint="Rebuild it with the functional API, keras.Model(inputs, outputs), of Keras's own layers.",
            ) from error
    return model, (*taken_off, *widened)


def save_keras2(model: Model, path: Path) -> None:
    """Save as HDF5: Keras 2's newer format cannot read models with TF-MOT's wrappers back."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(path, save_format="h5", include_optimizer=False)


def is_quantization_aware(model: Model) -> bool:
    """Return whether the model has TF-MOT's fake-quantization wrappers."""
    return any(type(layer).__name__.startswith(("QuantizeWrapper", "QuantizeLayer")) for layer in model.layers)


def _rebuilt(stored: dict[str, Any]) -> Any:
    if stored["class_name"] == "ClusterWeightsMHA":  # TF-MOT makes it, but cannot call what it reads back
        raise NotImplementedError
    return load_tf_keras().layers.deserialize(stored)


def _is_known(stored: dict[str, Any]) -> bool:
    """Return whether a stored layer's class is one of Keras 2, TF-MOT, Larq or this package."""
    keras, kind = load_tf_keras(), stored["class_name"]
    return kind in UNLISTED or hasattr(keras.layers, kind) or keras.utils.get_registered_object(kind) is not None
