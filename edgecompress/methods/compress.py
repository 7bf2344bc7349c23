"""Applying a method to a model: each of its stages is prepared, trained and made plain again, in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Protocol

import numpy as np

from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.separable import split_separable
from edgecompress.methods.keeping import hold, refuse_undoing, require_kept
from edgecompress.methods.patterns import require_match
from edgecompress.methods.protocol import Constraint, Context, Model, Outcome, Prepared
from edgecompress.methods.step import Method, Stage


class Setting(Protocol):
    """What a training is to take place in."""

    def optimizer_steps(self, stage: Stage) -> int:
        """Return how many optimizer steps the stage will take."""

    def images(self, count: int) -> np.ndarray:
        """Return `count` images of the training split, fewer if it has no more, as inputs of the model."""


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
    outcome = Outcome(model=split_separable(copy_model(model)))
    for index, stage in enumerate(method.plan()):
        prepared, context = prepare(stage, outcome.model, outcome.constraints, trainer)
        if stage.step.traits.trains:
            trainer.train(index, stage, prepared)
        done = stage.step.finalize(prepared, context)
        require_kept(stage.step, outcome.model, done.model, context.kept)
        outcome = replace(
            done,
            notes=outcome.notes + done.notes,
            constraints=outcome.constraints + done.constraints,
            generators=outcome.generators | done.generators,
        )
        on_stage(index, outcome)
    return outcome


def check(model: Model, method: Method, setting: Setting) -> None:
    """Prepare and finalize every stage of `method` on copies of `model`, as `compress` does, but train none.

    What depends on trained weights can still fail later; what depends on layers, shapes, names, figures and the order
    of the steps cannot.

    Raises:
        MethodError: a step does not fit the model or what was established before it.
    """
    current = split_separable(copy_model(model))
    kept: tuple[Constraint, ...] = ()
    *others, last = method.plan() or (None,)
    for stage in others:
        prepared, context = prepare(stage, current, kept, setting)
        if stage.step.traits.trains:
            outcome = stage.step.finalize(prepared, context)
            current, kept = outcome.model, kept + outcome.constraints
        else:  # it may take long, and what it makes is known
            treated = tuple(sorted(prepared.treated))
            kept += tuple(Constraint(kind, treated) for kind in stage.step.traits.makes)
    if last:
        prepare(last, current, kept, setting)


def prepare(stage: Stage, model: Model, kept: tuple[Constraint, ...], setting: Setting) -> tuple[Prepared, Context]:
    """Prepare a copy of `model` for a stage, in which what was `kept` before it stays; also return what it is told.

    Raises:
        MethodError: the step does not fit the model, or would undo what was established before it.
    """
    step = stage.step
    step.requires(model)
    for pattern in stage.layers:
        require_match(pattern, step.name, model)
    context = Context(
        optimizer_steps=setting.optimizer_steps(stage), images=cache(setting.images), kept=kept, chosen=stage.chooses
    )
    prepared = step.prepare(copy_model(model), context)
    refuse_undoing(step, prepared, context)
    return hold(prepared, context) if step.traits.trains else prepared, context
