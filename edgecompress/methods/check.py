"""Refusing a chain of methods before anything is trained: each step is prepared for real, on weights as they are."""

from __future__ import annotations

from collections.abc import Callable

from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.separable import split_separable
from edgecompress.methods.base import Constraint, Method, Model


def check(model: Model, method: Method, *, optimizer_steps: Callable[[int], int]) -> None:
    """Prepare and finalize every step of `method` on copies of `model`, as `compress` does, but train none.

    `optimizer_steps` says how long a step would be. What depends on trained weights can still fail later; what depends
    on layers, shapes, names, figures and the order of the steps cannot.

    Raises:
        MethodError: a step does not fit the model or what was established before it.
    """
    current = split_separable(copy_model(model))
    kept: tuple[Constraint, ...] = ()
    steps = method.steps()
    for index, step in enumerate(steps):
        step.requires(current, kept)
        prepared = step.prepare(
            copy_model(current), optimizer_steps=optimizer_steps(index), kept=kept, chosen=lambda name: True
        )
        if index + 1 < len(steps) and step.trains:  # what trains nothing asks the next for nothing either
            outcome = step.finalize(prepared)
            current, kept = outcome.model, kept + outcome.constraints
