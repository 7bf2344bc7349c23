"""The kernels of Keras layers: which weights of a layer are kernels, and what their elements have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.keras_types import Layer

NAMES = ("kernel", "depthwise_kernel", "pointwise_kernel", "embeddings")


def kernels(layer: Layer) -> tuple[Any, ...]:
    """Return the layer's kernel variables, without biases and batch-norm weights."""
    return tuple(getattr(layer, name) for name in NAMES if getattr(layer, name, None) is not None)


def kernel_zeros(layer: Layer) -> float:
    """Return the share of zeros among all kernel elements of `layer`, in [0, 1]."""
    arrays = [np.asarray(kernel) for kernel in kernels(layer)]
    return 1.0 - sum(int(np.count_nonzero(array)) for array in arrays) / sum(array.size for array in arrays)


def distinct_values(layer: Layer) -> int:
    """Return how many distinct values the kernels of `layer` have, zero included."""
    return len({float(value) for kernel in kernels(layer) for value in np.unique(np.asarray(kernel))})
