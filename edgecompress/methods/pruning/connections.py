"""The connections of a layer: which of its weights they are, and which of them pruning by magnitude leaves."""

from __future__ import annotations

import numpy as np

from edgecompress.keras_types import Layer

PRUNED = "pruned"  # the action of a layer whose smallest weights are removed


def unprunable(layer: Layer) -> str:
    """Return why a layer with a kernel is not pruned, or ''."""
    if "Depthwise" in type(layer).__name__:
        return f"each channel has few weights of its own in a {type(layer).__name__}"
    return ""


def survivors(kernel: np.ndarray, removed: int) -> np.ndarray:
    """Return a mask, in the shape of `kernel`, of all but the `removed` weights of smallest magnitude.

    Zeros never survive, be they more than `removed`; the largest weight does, be `removed` all of them.
    """
    magnitudes = np.abs(kernel).ravel()
    stays = magnitudes > 0
    removed = min(removed, magnitudes.size - 1)
    if removed > 0:
        stays[np.argpartition(magnitudes, removed - 1)[:removed]] = False
    return stays.reshape(kernel.shape)


def share(kernel: np.ndarray, sparsity: float) -> int:
    """Return how many weights of `kernel` the share `sparsity` is, rounded."""
    return round(sparsity * kernel.size)
