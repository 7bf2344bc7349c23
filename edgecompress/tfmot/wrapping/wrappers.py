"""TF-MOT's wrappers for pruning and clustering, which its training leaves on, taken off; the network stays the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.environment import load_tfmot
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.comparison import Spec, Tensors, compare
from edgecompress.keras_types import Model
from edgecompress.tfmot.graph import walk_layers
from edgecompress.values import LayerNote

PRUNING, CLUSTERING = "PruneLowMagnitude", "ClusterWeights"


def unwrapped(model: Model) -> tuple[Any, tuple[LayerNote, ...]]:
    """Return `model` itself if no layer is wrapped for pruning or clustering, else the network without the wrappers.

    The wrappers apply their masks and centroids at every call, and so do the weights that are kept. Those of
    quantization-aware training stay: they hold trained ranges.

    Raises:
        UnsupportedModelError: the network without its wrappers computes something else on seeded noise.
    """
    wrappers = [layer for layer in walk_layers(model) if type(layer).__name__ in (PRUNING, CLUSTERING)]
    if not wrappers:
        return model, ()
    plain, tfmot = model, load_tfmot()
    pruned = [wrapper for wrapper in wrappers if type(wrapper).__name__ == PRUNING]
    for wrapper in pruned:
        wrapper.pruning_obj.weight_mask_op()
    if pruned:
        plain = tfmot.sparsity.keras.strip_pruning(plain)
    if len(pruned) < len(wrappers):
        plain = tfmot.clustering.keras.strip_clustering(plain)
    _require_equal(model, plain)
    return plain, tuple(
        LayerNote(wrapper.layer.name, "unwrapped", f"TF-MOT's {type(wrapper).__name__} was left on")
        for wrapper in wrappers
    )


def _require_equal(wrapped: Any, plain: Model) -> None:
    specs = [Spec(tuple(tensor.shape), tensor.dtype.name) for tensor in plain.inputs]
    parted = compare(
        lambda inputs: _outputs(plain, inputs), lambda inputs: _outputs(wrapped, inputs), specs, variables=plain.weights
    )
    if parted:
        raise UnsupportedModelError(
            f"Without TF-MOT's wrappers, {parted[0].name} is {parted[0].difference:.3g} apart on seeded noise, where "
            f"rounding explains {parted[0].bound:.3g}.",
            hint="Save what strip_pruning or strip_clustering of TF-MOT returns.",
        )


def _outputs(model: Model, inputs: list[np.ndarray]) -> Tensors:
    outputs = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    values = outputs if isinstance(outputs, list | tuple) else [outputs]
    return [(f"output {index}", np.asarray(value)) for index, value in enumerate(values)]
