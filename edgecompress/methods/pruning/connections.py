"""The connections of a layer: which of its weights they are, and which of them pruning by magnitude leaves."""

from __future__ import annotations

from typing import Any

import numpy as np

PRUNED = "pruned"  # the action of a layer whose smallest weights are removed


def prunable_kernels(layer: Any) -> tuple[Any, ...]:
    """Return the kernel variables of `layer` that TF-MOT would prune too: none of a depthwise convolution."""
    from tensorflow_model_optimization.python.core.sparsity.keras import prune_registry

    registry = prune_registry.PruneRegistry
    return tuple(registry.make_prunable(layer).get_prunable_weights()) if registry.supports(layer) else ()


def unprunable(layer: Any) -> str:
    """Return why a layer with a kernel cannot be pruned, or ''."""
    return "" if prunable_kernels(layer) else f"TF-MOT does not prune {type(layer).__name__}"


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
