"""Keeping what was established: what a step would undo is refused, what only its training would undo is held."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecompress.errors import MethodError
from edgecompress.keras_bridge.kernels import distinct_values, kernels
from edgecompress.methods.protocol import Context, Kept, Outcome, Prepared, Variable
from edgecompress.methods.step import Step


def refuse_undoing(step: Step, prepared: Prepared, context: Context) -> None:
    """Raise `MethodError`, naming a layer, where `step` treats one that has what the step does not keep."""
    for kind in Kept:
        undone = sorted(prepared.treated & context.layers_with(kind))
        if undone and kind not in step.traits.keeps:
            raise MethodError(
                f"{step.name} comes after a method that made {kind} in '{undone[0]}', which it would undo.",
                hint="Leave that layer out of one of the two, or turn their order.",
            )


def hold(prepared: Prepared, context: Context) -> Prepared:
    """Have the layers that a step does not treat keep, through its training, what was established in them.

    Zeros stay zero, and the other weights train; kernels of shared values or words stay as they are.
    """
    safe = prepared.treated | prepared.held
    whole = (context.layers_with(Kept.SHARED_VALUES) | context.layers_with(Kept.WORDS)) - safe
    zeros = context.layers_with(Kept.ZEROS) - safe - whole

    def of(names: frozenset[str]) -> tuple[Variable, ...]:
        return tuple(kernel for name in sorted(names) for kernel in kernels(prepared.model.get_layer(name)))

    if zeros:
        from edgecompress.methods.held import HeldZeros

        prepared = replace(prepared, callbacks=(*prepared.callbacks, HeldZeros(of(zeros))))
    return replace(prepared, frozen=(*prepared.frozen, *of(whole)))


def require_kept(name: str, before: Outcome, after: Outcome) -> None:
    """Raise `MethodError`, naming the layer, where zeros, shared values or words of `before` are not in `after`.

    A layer that was replaced is vouched for by the step, called `name`, which keeps such constraints or was refused
    before.
    """
    for constraint in before.constraints:
        for layer in (each for each in constraint.layers if each not in after.replaced):
            old, new = (outcome.model.get_layer(layer) for outcome in (before, after))
            if lost := _lost(constraint.kind, old, new):
                raise MethodError(
                    f"{name} lost {constraint.kind} of '{layer}': {lost}.",
                    hint="Leave that layer out with only(...)"
                    + (", or share fewer values: TF-MOT keeps at most 1024 a kernel." if "values" in lost else "."),
                )


def _lost(kind: Kept, old: object, new: object) -> str:
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(kernels(old), kernels(new), strict=True)]
    if kind is Kept.ZEROS:
        zeros, left = (sum(int(np.count_nonzero(kernel == 0)) for kernel in side) for side in zip(*pairs, strict=True))
        return f"{left} of {zeros} are left" if left < zeros else ""
    if kind is Kept.SHARED_VALUES and distinct_values(new) > distinct_values(old):
        return f"{distinct_values(old)} values before, {distinct_values(new)} after"
    if kind is Kept.WORDS and any(a.tobytes() != b.tobytes() for a, b in pairs):
        return "its weights are others now"
    return ""
