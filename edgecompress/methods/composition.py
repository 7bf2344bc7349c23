"""Expressions of methods: one after the other, at the same time, on some layers only, trained so long, in rounds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from edgecompress.errors import MethodError
from edgecompress.methods.patterns import require_pattern
from edgecompress.methods.protocol import Kept
from edgecompress.methods.step import Method, Stage

Figure = TypeVar("Figure")

# What no training of another step leaves whole, wherever it is: what made it, and what to do.
_FRAGILE = {
    Kept.RANGES: ("quantization-aware training, whose ranges it would invalidate", "Put quantization last."),
    Kept.SIGNS: (
        "binary training, whose signs it would undo",
        "Put the binary method last; its int8 ends need no training.",
    ),
}


@dataclass(frozen=True)
class Chain(Method):
    """One stage after another; each keeps what those before it established, or refuses by name."""

    parts: tuple[Stage, ...]

    def __post_init__(self) -> None:
        """Raise `MethodError` where a step would undo what was made before it, before any model is looked at."""
        pairs = itertools.combinations([part.steps for part in self.parts], 2)
        for before, after in (pair for steps in pairs for pair in itertools.product(*steps)):
            for kind, (maker, hint) in _FRAGILE.items():
                if kind in before.traits.makes and kind not in after.traits.keeps:
                    raise MethodError(f"{after.name} comes after {maker}.", hint=hint)

    def plan(self) -> tuple[Stage, ...]:
        """Return them."""
        return self.parts


def chain(*methods: Method) -> Method:
    """Return the method that applies `methods` in order.

    Raises:
        MethodError: one comes after quantization-aware or binary training, which it would undo.
    """
    return Chain(tuple(stage for method in methods for stage in method.plan()))


def only(method: Method, *, layers: str) -> Method:
    """Return `method` restricted to the layers whose whole name matches the regular expression `layers`.

    Raises:
        MethodError: `layers` is not a regular expression.
    """
    require_pattern(layers, "Layers")
    return _each(method, lambda stage: stage.each(lambda each: replace(each, layers=(*each.layers, layers))))


def trained(method: Method, *, epochs: int | None = None, learning_rate: float | None = None) -> Method:
    """Return `method` with the length and the learning rate of those of its trainings that have none of their own.

    Raises:
        MethodError: nothing in `method` is trained, or a figure is not positive.
    """
    if (epochs is not None and epochs < 1) or (learning_rate is not None and not learning_rate > 0):
        raise MethodError(
            f"A training got epochs {epochs} and learning_rate {learning_rate}.", hint="Both are positive."
        )
    stages = method.plan()
    if not any(stage.step.traits.trains for stage in stages):
        names = ", ".join(stage.step.name for stage in stages)
        raise MethodError(f"{names} trains nothing, and was given epochs or a learning rate.", hint="Leave them out.")

    def with_training(stage: Stage) -> Stage:
        if not stage.step.traits.trains:
            return stage
        return replace(stage, epochs=stage.epochs or epochs, learning_rate=stage.learning_rate or learning_rate)

    return _each(method, with_training)


def together(*methods: Method) -> Method:
    """Return `methods` trained as one: at the same time, each on layers that those before it leave to it.

    What they minimize is added up; one after the other, in reverse order, they are made plain again.

    Raises:
        MethodError: one is itself several in a row, or cannot be trained beside others, or they differ in the length
            of the training.
    """
    stages = [single for method in methods for single in _singles(method)]
    if len(stages) < 2:
        return Chain(tuple(stages))
    for step in (stage.step for stage in stages):
        if not step.traits.joins:
            why = "has a network of its own trained" if step.traits.trains else "trains nothing"
            raise MethodError(
                f"{step.name} cannot be trained together with other methods: it {why}.",
                hint="Put it before or behind them.",
            )
    epochs = _one("epochs", [stage.epochs for stage in stages])
    learning_rate = _one("learning_rate", [stage.learning_rate for stage in stages])
    first, *others = (replace(stage, epochs=None, learning_rate=None) for stage in stages)
    return Chain((replace(first, epochs=epochs, learning_rate=learning_rate, beside=tuple(others)),))


def repeat(method: Method, *, rounds: int) -> Method:
    """Return `method` applied `rounds` times, each of which has what is then due of its budget: train, compress, train.

    Raises:
        MethodError: fewer than one round, or one that would undo what the one before it made.
    """
    if rounds < 1:
        raise MethodError(f"A repetition got rounds {rounds}.", hint="Use at least 1.")

    def in_round(number: int) -> Callable[[Stage], Stage]:
        return lambda stage: replace(stage, step=stage.step.in_round(number, rounds))

    return Chain(tuple(stage.each(in_round(number)) for number in range(1, rounds + 1) for stage in method.plan()))


def _singles(method: Method) -> tuple[Stage, ...]:
    plan = method.plan()
    if len(plan) != 1:
        names = ", then ".join(stage.step.name for stage in plan) or "nothing"
        raise MethodError(f"Only single methods can be trained together, not {names}.", hint="Chain what comes of it.")
    return (replace(plan[0], beside=()), *plan[0].beside)


def _one(name: str, values: Sequence[Figure | None]) -> Figure | None:
    given = list(dict.fromkeys(value for value in values if value is not None))
    if len(given) > 1:
        listed = " and ".join(map(str, given))
        raise MethodError(f"Methods that are trained together got {name} {listed}.", hint="Give one of them.")
    return given[0] if given else None


def _each(method: Method, change: Callable[[Stage], Stage]) -> Method:
    return Chain(tuple(change(stage) for stage in method.plan()))
