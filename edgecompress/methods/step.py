"""A method is a value, made of stages; a stage is a step, where it applies, and how long it is trained."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from edgecompress.methods.protocol import Context, Model, Outcome, Prepared, Traits

MEANING = "meaning"  # key of a field's metadata


class Method(ABC):
    """One compression technique, or an expression of several."""

    @abstractmethod
    def plan(self) -> tuple[Stage, ...]:
        """Return the stages, in order."""


@dataclass(frozen=True)
class Stage:
    """A step of an expression. Without epochs or a learning rate, who trains has some of its own."""

    step: Step
    layers: tuple[str, ...] = ()  # regular expressions, all of which a layer's whole name must match
    epochs: int | None = None
    learning_rate: float | None = None
    beside: tuple[Stage, ...] = ()  # what is trained at the same time

    @property
    def name(self) -> str:
        """What is trained, in words."""
        return " and ".join(step.name for step in self.steps)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps that are trained as one."""
        return (self.step, *(step for stage in self.beside for step in stage.steps))

    def each(self, change: Callable[[Stage], Stage]) -> Stage:
        """Return the stage with this and every one beside it changed."""
        return change(replace(self, beside=tuple(stage.each(change) for stage in self.beside)))

    def chooses(self, name: str) -> bool:
        """Return whether the step may treat the layer of this name."""
        return all(re.fullmatch(pattern, name) for pattern in self.layers)


def option(default: Any, meaning: str) -> Any:
    """Return the field of a step's option, for `edgecompress methods` with what it means."""
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata={MEANING: meaning})
    return field(default=default, metadata={MEANING: meaning})


@dataclass(frozen=True)
class Step(Method):
    """A method that is trained once at most. Subclasses are frozen dataclasses; `name` is the one used in recipes."""

    name: ClassVar[str]
    paper: ClassVar[str]
    summary: ClassVar[str]
    traits: ClassVar[Traits]

    def plan(self) -> tuple[Stage, ...]:
        """Return the one stage that it is, on all layers."""
        return (Stage(self),)

    def keeping_float(self, layers: str) -> Step:
        """Return the method for a network whose `layers`, a pattern of names, it should leave real; most treat all."""
        return self

    def in_round(self, number: int, rounds: int) -> Self:
        """Return the method with what is due of its budget after round `number` of `rounds`; most have all of it."""
        return self

    def requires(self, model: Model) -> None:
        """Raise `MethodError`, naming the layer and what to do, where the method does not fit."""

    @abstractmethod
    def prepare(self, model: Model, context: Context) -> Prepared:
        """Wrap `model`, a copy made for this purpose, for its training; treat only layers that are chosen."""

    @abstractmethod
    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Return plain Keras layers again, with the trained weights."""
