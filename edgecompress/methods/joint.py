"""Steps that are trained as one: each is prepared on what the one before it prepared, and made plain in turn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

from edgecompress.errors import MethodError
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.methods.protocol import LEFT_ALONE, Context, Model, Objective, Outcome, Prepared
from edgecompress.methods.step import Stage, Step
from edgecompress.values import LayerNote


@dataclass(frozen=True)
class Part:
    """A step of a joint training, what it prepared, and what it was told."""

    step: Step
    prepared: Prepared
    context: Context


def prepare_parts(stage: Stage, model: Model, context_of: Callable[[Stage], Context]) -> tuple[Part, ...]:
    """Prepare `model`, a copy made for this purpose, for all steps of a stage; each treats what those before it left.

    Raises:
        MethodError: a step does not fit, or nothing is left for it.
    """
    names = [layer.name for layer in model.layers if kernels(layer)]
    parts: list[Part] = []
    for each in (stage, *stage.beside):
        context = context_of(each)
        taken = {name: part.step.name for part in parts for name in part.prepared.treated}
        chosen = [name for name in names if context.chosen(name)]
        if chosen and taken.keys() >= set(chosen):
            raise MethodError(
                f"{each.step.name} is left no layer: {', '.join(chosen)} are "
                f"{' and '.join(dict.fromkeys(taken[name] for name in chosen))}'s.",
                hint='Give each its own, such as layers="conv_.*".',
            )
        context = replace(context, chosen=_without(taken, context))
        parts.append(Part(each.step, each.step.prepare(parts[-1].prepared.model if parts else model, context), context))
    return tuple(parts)


def joint(parts: Sequence[Part]) -> Prepared:
    """Return what is to be trained: the last model, with what all parts want of its training.

    Objectives are added; where none is given, it is the usual one.

    Raises:
        MethodError: two of them have a model of their own scored.
    """
    every = [part.prepared for part in parts]
    scored = [(part.step.name, part.prepared.scored) for part in parts if part.prepared.scored is not None]
    if len(scored) > 1:
        names = " and ".join(name for name, _ in scored)
        raise MethodError(f"{names} each have another model scored.", hint="Train them one after the other.")
    return Prepared(
        every[-1].model,
        every[0].source,
        _all(each.callbacks for each in every),
        _notes([each.notes for each in every]),
        _sum([each.objective for each in every if each.objective]),
        scored[0][1] if scored else None,
        _all(each.frozen for each in every),
        frozenset[str]().union(*(each.held for each in every)),
        _all(each.rates for each in every),
        min((each.still_from for each in every if each.still_from is not None), default=None),
    )


def finalize_parts(parts: Sequence[Part]) -> Outcome:
    """Return a plain model, made so from the last part to the first, and what all parts established."""
    model, outcomes = parts[-1].prepared.model, list[Outcome]()
    for part in reversed(parts):
        done = part.step.finalize(replace(part.prepared, model=model), part.context)
        model, outcomes = done.model, [done, *outcomes]
    if len(outcomes) == 1:
        joining = parts[0].step.traits.joins  # then the layers are those that were trained, and were called before
        return replace(outcomes[0], model=copy_model(model)) if joining else outcomes[0]
    return Outcome(
        copy_model(model),
        notes=_notes([each.notes for each in outcomes]),
        constraints=_all(each.constraints for each in outcomes),
        replaced={old: names for each in outcomes for old, names in each.replaced.items()},
        generators={name: made for each in outcomes for name, made in each.generators.items()},
    )


def _without(taken: Collection[str], context: Context) -> Callable[[str], bool]:
    return lambda name: name not in taken and context.chosen(name)


def _all(parts: Iterable[tuple[Any, ...]]) -> tuple[Any, ...]:
    return tuple(each for part in parts for each in part)


def _sum(objectives: Sequence[Objective]) -> Objective | None:
    if not objectives:
        return None
    return lambda labels, outputs: reduce(add, (objective(labels, outputs) for objective in objectives))


def _notes(parts: Sequence[tuple[LayerNote, ...]]) -> tuple[LayerNote, ...]:
    """Leave out what a part says of layers that it left alone and another one treated."""
    if len(parts) == 1:
        return parts[0]
    treated = {note.layer for notes in parts for note in notes if note.action not in LEFT_ALONE}
    return tuple(
        note for notes in parts for note in notes if note.action not in LEFT_ALONE or note.layer not in treated
    )
