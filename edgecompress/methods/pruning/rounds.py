"""Pruning in rounds: how much of the budget is due after each."""

from __future__ import annotations


def due(sparsity: float, done: int, rounds: int) -> float:
    """Return `1 - (1 - s)^(r/R)`: with it, each of R rounds removes the same share of what the one before it left."""
    return 1 - (1 - sparsity) ** (done / rounds)
