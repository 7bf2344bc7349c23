"""Pruning by TF-MOT's wrappers: which layers are wrapped, the training callback, stripping, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edgecompress.environment import load_tfmot
from edgecompress.keras_bridge.kernels import kernel_zeros, kernels
from edgecompress.methods.eligible import pick
from edgecompress.methods.protocol import Constraint, Kept, LayerFilter, Model, Outcome, Prepared, StepCallback
from edgecompress.methods.pruning.connections import PRUNED
from edgecompress.tfmot.door import enter, leave
from edgecompress.tfmot.graph import replay
from edgecompress.values import LayerNote

UPDATES = 20  # how often the mask is recomputed while the sparsity rises
RISING = 0.7  # share of the training in which it rises; the rest lets the survivors settle


def schedule(kind: str, *, initial_sparsity: float, sparsity: float, optimizer_steps: int) -> Any:
    """Return TF-MOT's schedule: constant, or s(t) = s_f + (s_0 - s_f) (1 - t / T)^3 (Zhu and Gupta, arXiv:1710.01878).

    T is a multiple of the update interval, so that the last update reaches the final sparsity exactly.
    """
    sparsity_schedules = load_tfmot().sparsity.keras
    frequency = max(1, int(optimizer_steps * RISING) // UPDATES)
    if kind == "constant":
        return sparsity_schedules.ConstantSparsity(sparsity, begin_step=0, end_step=-1, frequency=frequency)
    end_step = min(frequency * UPDATES, max(1, optimizer_steps - 1))
    return sparsity_schedules.PolynomialDecay(
        initial_sparsity, sparsity, begin_step=0, end_step=end_step, frequency=frequency
    )


def wrap(
    model: Model, *, method: str, chosen: LayerFilter, unfit: Callable[[Any], str], sparsity: float, **arguments: Any
) -> Prepared:
    """Wrap each chosen layer of the translation that has a prunable kernel, for `method`.

    `unfit(layer)` is the reason why one is left alone, or ''.
    One that has more zeros than the final `sparsity` is left alone: TF-MOT would let some of them grow again.
    """
    tfmot = load_tfmot().sparsity.keras
    twin = enter(model, method=method)
    layers, notes = pick(
        twin,
        chosen,
        lambda layer: _unprunable(layer) or unfit(layer) or _sparser(layer, sparsity),
        action=PRUNED,
        hint="Choose other layers, or a block size and n:m pattern that divide the kernels.",
    )
    wrapped = replay(
        twin, lambda layer, prefix: tfmot.prune_low_magnitude(layer, **arguments) if layer in layers else layer
    )
    return Prepared(wrapped, model, (PruningSteps(_wrappers(wrapped)),), notes)


class PruningSteps(StepCallback):
    """Tells TF-MOT's wrappers which step it is, by which they rise and update their masks."""

    def __init__(self, wrappers: Sequence[Any]) -> None:
        self._wrappers = wrappers

    def before(self, done: int) -> None:
        """Tell them."""
        for wrapper in self._wrappers:
            wrapper.pruning_step.assign(done)


def _wrappers(model: Model) -> list[Any]:
    return [layer for layer in model.layers if hasattr(layer, "pruning_step")]


def _unprunable(layer: Any) -> str:
    from tensorflow_model_optimization.python.core.sparsity.keras import prune_registry

    registry = prune_registry.PruneRegistry
    supported = registry.supports(layer) and registry.make_prunable(layer).get_prunable_weights()
    return "" if supported else f"TF-MOT does not prune {type(layer).__name__}"


def _sparser(layer: Any, sparsity: float) -> str:
    zeros = kernel_zeros(layer)
    one = 1 / max(int(np.prod(kernel.shape)) for kernel in kernels(layer))  # a share is rounded to whole weights
    return f"{zeros:.3g} of its kernel is zero already" if zeros > sparsity + one else ""


def strip(prepared: Prepared) -> Outcome:
    """Take the wrappers off, masks applied, and note the sparsity that each kernel really has."""
    for wrapper in _wrappers(prepared.model):
        wrapper.pruning_obj.weight_mask_op()  # the last step moved what is masked
    model = leave(load_tfmot().sparsity.keras.strip_pruning(prepared.model), prepared.source)
    for kernel in (kernel for layer in model.layers for kernel in kernels(layer)):
        kernel.assign(kernel + 0.0)  # a mask makes negative zeros of negative weights: noise to whatever packs them
    zeros = {layer.name: kernel_zeros(layer) for layer in model.layers if kernels(layer)}
    pruned = tuple(note.layer for note in prepared.notes if note.action == PRUNED)
    notes = tuple(
        LayerNote(note.layer, note.action, note.reason, {"sparsity": round(zeros[note.layer], 4)})
        for note in prepared.notes
    )
    return Outcome(model=model, notes=notes, constraints=(Constraint(Kept.ZEROS, pruned),))
