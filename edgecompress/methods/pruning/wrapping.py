"""Pruning by TF-MOT: which layers it wraps, what happens in each step, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecompress.methods.eligible import pick
from edgecompress.methods.protocol import LayerFilter, Model, Outcome, Prepared, StepCallback
from edgecompress.methods.pruning.connections import PRUNED
from edgecompress.methods.pruning.notes import HINT, pruned_outcome, sparser
from edgecompress.tfmot.wrapping import pruning
from edgecompress.tfmot.wrapping.translating import enter


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
        lambda layer: pruning.unprunable(twin, layer) or unfit(layer) or sparser(layer, sparsity),
        action=PRUNED,
        hint=HINT,
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
    return pruned_outcome(pruning.strip(prepared.model, prepared.source), prepared.notes)
