"""Expressions of methods: one after the other, on some layers only, trained so long, in rounds."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

from edgecompress.errors import MethodError
from edgecompress.methods.patterns import require_pattern
from edgecompress.methods.protocol import Kept
from edgecompress.methods.step import Method, Stage

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
        for before, after in itertools.combinations([part.step for part in self.parts], 2):
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
    return _each(method, lambda stage: replace(stage, layers=(*stage.layers, layers)))


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


def repeat(method: Method, *, rounds: int) -> Method:
    """Return `method` applied `rounds` times, each of which has what is then due of its budget: train, compress, train.

    Raises:
        MethodError: fewer than one round, or one that would undo what the one before it made.
    """
    if rounds < 1:
        raise MethodError(f"A repetition got rounds {rounds}.", hint="Use at least 1.")
    return Chain(
        tuple(
            replace(stage, step=stage.step.in_round(number, rounds))
            for number in range(1, rounds + 1)
            for stage in method.plan()
        )
    )


def _each(method: Method, change: Callable[[Stage], Stage]) -> Method:
    return Chain(tuple(change(stage) for stage in method.plan()))
