"""Pruning by TF-MOT's wrappers: which layers are wrapped, the training callback, stripping, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecompress.environment import load_tfmot
from edgecompress.errors import MethodError
from edgecompress.keras_bridge.graph import replay
from edgecompress.keras_bridge.kernels import kernel_zeros, kernels
from edgecompress.methods.base import Constraint, LayerFilter, Model, Outcome, Prepared
from edgecompress.methods.pruning.connections import unprunable
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
    model: Model, *, chosen: LayerFilter, unfit: Callable[[Any], str], kept: tuple[Constraint, ...], **arguments: Any
) -> Prepared:
    """Wrap each chosen layer that has a prunable kernel; `unfit(layer)` is the reason why one is left alone, or ''."""
    tfmot = load_tfmot()
    notes: list[LayerNote] = []

    def substitute(layer: Any, prefix: str) -> Any:
        if not kernels(layer):
            return layer
        reason = "" if chosen(layer.name) else "not chosen"
        reason = reason or unprunable(layer) or unfit(layer)
        if reason:
            notes.append(LayerNote(layer.name, "skipped", reason))
            return layer
        notes.append(LayerNote(layer.name, "pruned"))
        return tfmot.sparsity.keras.prune_low_magnitude(layer, **arguments)

    source = model
    wrapped = replay(model, substitute)
    if not any(note.action == "pruned" for note in notes):
        reasons = "; ".join(f"{note.layer}: {note.reason}" for note in notes) or "it has no kernel"
        raise MethodError(
            f"Nothing in '{model.name}' can be pruned this way ({reasons}).",
            hint="Choose other layers, or a block size and n:m pattern that divide the kernels.",
        )
    return Prepared(wrapped, source, (tfmot.sparsity.keras.UpdatePruningStep(),), tuple(notes), kept)


def strip(prepared: Prepared) -> Outcome:
    """Take the wrappers off, masks applied, and note the sparsity that each kernel really has."""
    model = load_tfmot().sparsity.keras.strip_pruning(prepared.model)
    for kernel in (kernel for layer in model.layers for kernel in kernels(layer)):
        kernel.assign(kernel + 0.0)  # a mask makes negative zeros of negative weights: noise to whatever packs them
    zeros = {layer.name: kernel_zeros(layer) for layer in model.layers if kernels(layer)}
    pruned = tuple(note.layer for note in prepared.notes if note.action == "pruned")
    notes = tuple(
        LayerNote(note.layer, note.action, note.reason, {"sparsity": round(zeros[note.layer], 4)})
        for note in prepared.notes
    )
    return Outcome(model=model, notes=notes, constraints=(Constraint("zeros", pruned),))


def refuse_after_sharing(name: str, kept: tuple[Constraint, ...]) -> None:
    """Raise `MethodError` where shared values are to be kept: pruning would break them apart."""
    if any(constraint.kind == "shared values" for constraint in kept):
        raise MethodError(
            f"{name} comes after weight clustering, and training the survivors would undo the shared values.",
            hint="Prune first: clustering keeps the zeros.",
        )
