"""Which layers of a Keras model are meant to be binary, by what they are and not by what became of them."""

from __future__ import annotations

import numpy as np

from edgecompress.convert.tflite.binary.matching import DENSE, DEPTHWISE, split_kernel
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_types import Layer, Model


def meant_binary(model: Model) -> dict[str, bool]:
    """Return the names of a model's binary layers, and whether their inputs are signs as well.

    They are the layers of `edgecompress.layers`, and plain ones whose kernels hold one magnitude a filter, as the
    weight-only methods leave them.
    """
    found = {}
    for layer in model.layers:
        if hasattr(layer, "binary_kernel"):
            found[layer.name] = bool(getattr(layer, "binary_inputs", False))
        elif _has_binary_kernel(layer):
            found[layer.name] = False
    return found


def _has_binary_kernel(layer: Layer) -> bool:
    found = kernels(layer)
    if len(found) != 1 or type(layer).__name__ == "Embedding":
        return False
    kernel = np.asarray(found[0])
    if "Depthwise" in type(layer).__name__:
        return split_kernel(kernel.reshape(1, *kernel.shape[:2], -1), DEPTHWISE) is not None
    return split_kernel(kernel.reshape(-1, kernel.shape[-1]).T, DENSE) is not None
