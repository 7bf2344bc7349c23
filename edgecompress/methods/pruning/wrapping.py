"""Pruning while training: which layers TF-MOT wraps, what happens in each step, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgecompress.keras_bridge.kernels import kernel_zeros, kernels
from edgecompress.keras_types import Layer
from edgecompress.methods.eligible import pick
from edgecompress.methods.protocol import Constraint, Kept, LayerFilter, Model, Outcome, Prepared, StepCallback
from edgecompress.methods.pruning.connections import PRUNED
from edgecompress.tfmot.wrapping import pruning
from edgecompress.tfmot.wrapping.translating import enter
from edgecompress.values import LayerNote


def wrapped(
    model: Model, *, method: str, chosen: LayerFilter, unfit: Callable[[Any], str], sparsity: float, **arguments: Any
) -> Prepared:
    """Wrap each chosen layer of the translation that has a prunable kernel, for `method`.

    `unfit(layer)` is the reason why one is left alone, or ''.
    One that has more zeros than the final `sparsity` is left alone: TF-MOT would let some of them grow again.
    """
    twin = enter(model, method=method)
    layers, notes = pick(
        twin,
        chosen,
        lambda layer: pruning.unprunable(layer) or unfit(layer) or _sparser(layer, sparsity),
        action=PRUNED,
        hint="Choose other layers, or a block size and n:m pattern that divide the kernels.",
    )
    ready = pruning.wrap(twin, layers, **arguments)
    return Prepared(ready, model, (PruningSteps(ready),), notes)


class PruningSteps(StepCallback):
    """Tells TF-MOT's wrappers which step it is."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def before(self, done: int) -> None:
        """Tell them."""
        pruning.tell_step(self._model, done)


def stripped(prepared: Prepared) -> Outcome:
    """Take the wrappers off, masks applied, and note the sparsity that each kernel really has."""
    model = pruning.strip(prepared.model, prepared.source)
    zeros = {layer.name: kernel_zeros(layer) for layer in model.layers if kernels(layer)}
    pruned = tuple(note.layer for note in prepared.notes if note.action == PRUNED)
    notes = tuple(
        LayerNote(note.layer, note.action, note.reason, {"sparsity": round(zeros[note.layer], 4)})
        for note in prepared.notes
    )
    return Outcome(model=model, notes=notes, constraints=(Constraint(Kept.ZEROS, pruned),))


def _sparser(layer: Layer, sparsity: float) -> str:
    zeros = kernel_zeros(layer)
    one = 1 / max(int(np.prod(kernel.shape)) for kernel in kernels(layer))  # a share is rounded to whole weights
    return f"{zeros:.3g} of its kernel is zero already" if zeros > sparsity + one else ""
