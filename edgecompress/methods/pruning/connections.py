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


def block_survivors(kernel: np.ndarray, sparsity: float, block: tuple[int, int]) -> np.ndarray:
    """Return a mask of what stays of a matrix where the share `sparsity` of its blocks, rounded, goes as a whole.

    The blocks, `rows x columns`, of smallest mean magnitude go; those at the end have the rows and columns that are
    left. At least one block stays, and zeros never do.
    """
    rows, columns = block
    starts = np.arange(0, kernel.shape[0], rows), np.arange(0, kernel.shape[1], columns)
    sums = np.add.reduceat(np.add.reduceat(np.abs(kernel), starts[0], axis=0), starts[1], axis=1)
    sizes = [np.diff(start, append=length) for start, length in zip(starts, kernel.shape, strict=True)]
    stays = survivors(sums / np.outer(*sizes), sums.size - kept(sums, sparsity))
    return np.repeat(np.repeat(stays, sizes[0], axis=0), sizes[1], axis=1) & (kernel != 0)


def group_survivors(kernel: np.ndarray, n: int, m: int) -> np.ndarray:
    """Return a mask of the n largest of every m weights along the last axis but one; zeros never stay."""
    columns = np.abs(kernel).swapaxes(-1, -2)
    groups = columns.reshape(*columns.shape[:-1], -1, m)
    largest = np.argsort(-groups, axis=-1, kind="stable")[..., :n]
    stays = np.zeros(groups.shape, bool)
    np.put_along_axis(stays, largest, True, axis=-1)
    return stays.reshape(columns.shape).swapaxes(-1, -2) & (kernel != 0)


def kept(kernel: np.ndarray, sparsity: float) -> int:
    """Return how many weights of `kernel` are left by the share `sparsity`, rounded, and one at least."""
    return max(1, round((1 - sparsity) * kernel.size))


def share(kernel: np.ndarray, sparsity: float) -> int:
    """Return how many weights of `kernel` the share `sparsity` is, rounded."""
    return round(sparsity * kernel.size)
