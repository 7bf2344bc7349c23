"""Applying a method to a model: each of its stages is prepared, trained and made plain again, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Protocol

from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.splitting.separable import parts_of_separable, split_separable
from edgecompress.methods.joint import Part, finalize_parts, joint, prepare_parts
from edgecompress.methods.keeping import hold, refuse_undoing, require_kept
from edgecompress.methods.patterns import require_match
from edgecompress.methods.protocol import Constraint, Context, Model, Outcome, Prepared, Samples
from edgecompress.methods.step import Method, Stage


class Setting(Protocol):
    """What a training is to take place in."""

    def optimizer_steps(self, stage: Stage) -> int:
        """Return how many optimizer steps the stage will take."""

    def samples(self, count: int) -> Samples:
        """Return `count` samples of the training split, fewer if it has no more, as inputs of the model."""


class Trainer(Setting, Protocol):
    """Who trains the stages that `compress` prepares."""

    def train(self, index: int, stage: Stage, prepared: Prepared) -> None:
        """Train `prepared.model` in place, as the stage with this index."""


def compress(
    model: Model,
    method: Method,
    trainer: Trainer,
    *,
    on_stage: Callable[[int, Outcome], None] = lambda index, outcome: None,
) -> Outcome:
    """Apply `method` to a copy of `model`, one stage after the other; the given model is never changed.

    `on_stage` is given each stage's number, from 0 on, and what came of it.

    A SeparableConv2D is first written as its two convolutions, each of which can then be treated by name.

    Raises:
        MethodError: a step does not fit the model, or would undo or lost what was established before it.
    """
    outcome = _begun(model)
    for index, stage in enumerate(method.plan()):
        parts, prepared = prepare(stage, outcome, trainer)
        if stage.step.traits.trains:
            trainer.train(index, stage, prepared)
        done = finalize_parts(parts)
        require_kept(stage.name, outcome, done)
        outcome = _joined(outcome, done)
        on_stage(index, outcome)
    return outcome


def check(model: Model, method: Method, setting: Setting) -> None:
    """Prepare and finalize every stage of `method` on copies of `model`, as `compress` does, but train none.

    What depends on trained weights can still fail later; what depends on layers, shapes, names, figures and the order
    of the steps cannot.

    Raises:
        MethodError: a step does not fit the model or what was established before it.
    """
    outcome = _begun(model)
    *others, last = method.plan() or (None,)
    for stage in others:
        parts, prepared = prepare(stage, outcome, setting)
        if stage.step.traits.trains:
            outcome = _joined(outcome, finalize_parts(parts))
        else:  # it may take long, and what it makes is known
            treated = tuple(sorted(prepared.treated))
            made = tuple(Constraint(kind, treated) for kind in stage.step.traits.makes)
            outcome = replace(outcome, constraints=outcome.constraints + made)
    if last:
        prepare(last, outcome, setting)


def prepare(stage: Stage, before: Outcome, setting: Setting) -> tuple[tuple[Part, ...], Prepared]:
    """Prepare a copy of what came of the stages before for another one: its parts, and what is trained.

    A layer may be chosen by its own name, or by that of the layer in whose place it is.

    Raises:
        MethodError: the step does not fit the model, or would undo what was established before it.
    """
    origins = {new: old for old, names in before.replaced.items() for new in names}
    samples = cache(setting.samples)
    for each in (stage, *stage.beside):
        each.step.requires(before.model)
        for pattern in each.layers:
            require_match(pattern, each.step.name, before.model, more=tuple(before.replaced))

    def context_of(each: Stage) -> Context:
        return Context(
            optimizer_steps=setting.optimizer_steps(stage),
            samples=samples,
            kept=before.constraints,
            chosen=lambda name: each.chooses(name) or each.chooses(origins.get(name, name)),
        )

    parts = prepare_parts(stage, copy_model(before.model), context_of)
    for part in parts:
        refuse_undoing(part.step, part.prepared, part.context)
    prepared = joint(parts)
    return parts, hold(prepared, parts[0].context) if stage.step.traits.trains else prepared


def _begun(model: Model) -> Outcome:
    """What there is before the first stage: a copy, in which separable convolutions are the two that they are."""
    copy = copy_model(model)
    return Outcome(model=split_separable(copy), replaced=parts_of_separable(copy))


def _joined(before: Outcome, done: Outcome) -> Outcome:
    """What came of a stage, and of those before it, by the names that layers have now."""
    now = {
        old: tuple(n for name in names for n in done.replaced.get(name, (name,)))
        for old, names in before.replaced.items()
    }
    kept = {name: made for name, made in before.generators.items() if name not in done.replaced}
    return replace(
        done,
        notes=before.notes + done.notes,
        constraints=tuple(each.after(done.replaced) for each in before.constraints) + done.constraints,
        replaced={**done.replaced, **now},
        generators=kept | done.generators,
    )
