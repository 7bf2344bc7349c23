"""How sensitive each layer is to pruning: prune it alone by magnitude, do not retrain, and measure.

Han et al., Learning both Weights and Connections for Efficient Neural Networks, arXiv:1506.02626, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np

from edgecompress.keras_bridge.kernels import kernels
from edgecompress.methods.protocol import Model
from edgecompress.methods.pruning.connections import share, survivors, unprunable
from edgecompress.values import LayerNote

SPARSITIES = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)
ROUNDING = 1e-9  # of a difference of percentages; two shares of so many images that it mattered cannot be measured

Figure = TypeVar("Figure")


def prunable_layers(model: Model) -> tuple[dict[str, int], tuple[LayerNote, ...]]:
    """Return how many weights pruning can choose from in each layer, and notes on the layers that it leaves alone."""
    reasons = {layer.name: unprunable(layer) for layer in model.layers if kernels(layer)}
    weights = {
        name: sum(int(np.prod(kernel.shape)) for kernel in kernels(model.get_layer(name)))
        for name, reason in reasons.items()
        if not reason
    }
    return weights, tuple(LayerNote(name, "skipped", reason) for name, reason in reasons.items() if reason)


@contextmanager
def pruned(model: Model, sparsities: Mapping[str, float]) -> Iterator[Model]:
    """Yield `model` with the smallest weights of the named layers zero; afterwards it has its weights again."""
    variables = [
        (kernel, sparsity) for name, sparsity in sparsities.items() for kernel in kernels(model.get_layer(name))
    ]
    before = [kernel.numpy() for kernel, _ in variables]
    try:
        for (kernel, sparsity), values in zip(variables, before, strict=True):
            kernel.assign(values * survivors(values, share(values, sparsity)))
        yield model
    finally:
        for (kernel, _), values in zip(variables, before, strict=True):
            kernel.assign(values)


def scan(
    model: Model, layers: Sequence[str], measure: Callable[[Model], Figure], *, sparsities: Sequence[float]
) -> dict[str, tuple[Figure, ...]]:
    """Return what `measure` says of the model with one layer pruned, for each layer at each sparsity."""

    def measured(layer: str, sparsity: float) -> Figure:
        with pruned(model, {layer: sparsity}):
            return measure(model)

    return {layer: tuple(measured(layer, sparsity) for sparsity in sparsities) for layer in layers}


def proposal(sparsities: Sequence[float], drops: Sequence[float], *, max_drop: float) -> float:
    """Return the largest of the rising `sparsities` that is, like all below it, within `max_drop`; 0 if none is."""
    within = [drop <= max_drop + ROUNDING for drop in drops] + [False]
    return (0.0, *sparsities)[within.index(False)]
