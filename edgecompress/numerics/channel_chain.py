"""What stands behind a sum of signs, channel by channel: a chain of steps in float32, each rounded as runtimes do.

A step never turns: with the sum, each channel only rises or only falls. So its sign changes at one sum, which is an
integer threshold; and a chain of scales and shifts is one scale and one shift, but for rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from edgecompress.numerics.binary import thresholds

_UNIT = 2.0**-24  # half the distance of neighbours in float32, relative: what one rounding moves
_FINISHING_ROUNDINGS = 5  # of multiplier, bias, product and sum, and of second order terms


@dataclass(frozen=True, eq=False)
class Step:
    """`function(x, operand)`, or `function(operand, x)` where it is `swapped`, in float32.

    The function is one of np.multiply, add, subtract, divide, maximum, minimum; the operand float32, one a channel.
    """

    function: np.ufunc
    operand: np.ndarray
    swapped: bool = False

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Values [..., channels]."""
        pair = (self.operand, values) if self.swapped else (values, self.operand)
        return np.asarray(self.function(*pair, dtype=np.float32))

    @property
    def directions(self) -> np.ndarray:
        """What a channel does as x grows: +1 never falls, -1 never rises, 0 neither."""
        if self.function in (np.multiply, np.divide):
            return np.sign(self.operand)
        falls = self.function is np.subtract and self.swapped
        return np.full(self.operand.shape, -1.0 if falls else 1.0, np.float32)

    @property
    def scale_and_shift(self) -> tuple[np.ndarray, np.ndarray] | None:
        """(a, b) with `step(x) = a x + b` but for rounding, in float64; None where it bounds."""
        operand, zeros, ones = self.operand.astype(np.float64), np.zeros(self.operand.size), np.ones(self.operand.size)
        if self.function is np.multiply:
            return operand, zeros
        if self.function is np.divide:
            return 1 / operand, zeros
        if self.function is np.add:
            return ones, operand
        if self.function is np.subtract:
            return (-ones, operand) if self.swapped else (ones, -operand)
        return None


def channel_step(
    function: np.ufunc, constant: np.ndarray | None, *, rank: int, axis: int, channels: int, swapped: bool = False
) -> Step | None:
    """Return the step that an operator with a constant is for a tensor with `rank` axes, `axis` that of the channels.

    None where it is none: no constant, no float32, not finite, other numbers along another axis, or a result of
    another shape; a quotient by x, which turns, or by zero.
    """
    if constant is None or constant.dtype != np.float32 or constant.ndim > rank or not np.isfinite(constant).all():
        return None
    lengths = [1] * (rank - constant.ndim) + list(constant.shape)
    if lengths.pop(axis) not in (1, channels) or any(length != 1 for length in lengths):
        return None
    if function is np.divide and (swapped or not constant.all()):
        return None
    return Step(function, np.broadcast_to(constant.reshape(-1), channels).copy(), swapped)


@dataclass(frozen=True, eq=False)
class Affine:
    """`multiplier * x + bias` of a sum x, or of max(x, 0) where `relu`; float32, one a channel."""

    multiplier: np.ndarray
    bias: np.ndarray
    relu: bool


@dataclass(frozen=True, eq=False)
class Chain:
    """Steps behind a sum of `products` products of signs; at least one step, of all channels."""

    products: int
    steps: tuple[Step, ...]

    def __call__(self, sums: np.ndarray) -> np.ndarray:
        """Values, float32, of sums [..., channels]."""
        values = sums.astype(np.float32)
        for step in self.steps:
            values = step(values)
        return values

    def then(self, *steps: Step) -> Chain:
        """The chain with further steps."""
        return Chain(self.products, (*self.steps, *steps))

    @cached_property
    def is_finite(self) -> bool:
        """Whether no sum leads beyond float32 on the way: the least and the greatest do not, and steps never turn."""
        values = self._ends
        with np.errstate(all="ignore"):
            for step in self.steps:
                values = step(values)
                if not np.isfinite(values).all():
                    return False
        return True

    @cached_property
    def affine(self) -> Affine | None:
        """The chain as one scale and one shift; None where it is not that, within the roundings of its steps.

        Each step moves a value by half a unit of the largest terms on its way, which the later steps scale; so the
        greatest difference is their number times half a unit of the magnitude M that terms add up to. Where numbers
        vanish below float32 and are scaled up again, the difference is larger, and there is no such form.
        """
        if not self.is_finite:
            return None
        channels = self.steps[0].operand.size
        multiplier, bias, relu = np.ones(channels), np.zeros(channels), False
        magnitude = np.full(channels, float(self.products))
        with np.errstate(all="ignore"):  # what does not become finite is looked at below
            for step in self.steps:
                parts = step.scale_and_shift
                if parts is not None:
                    multiplier, bias = multiplier * parts[0], bias * parts[0] + parts[1]
                    magnitude = magnitude * np.abs(parts[0]) + np.abs(parts[1])
                elif step.function is np.maximum and not step.operand.any() and not bias.any() and min(multiplier) >= 0:
                    relu = True  # max(a x, 0) = a max(x, 0)
                else:
                    return None
            found = Affine(multiplier.astype(np.float32), bias.astype(np.float32), relu)
            sums = np.maximum(self._ends, 0) if relu else self._ends
            difference = np.abs(sums * found.multiplier + found.bias - self(self._ends).astype(np.float64))
        allowed = (len(self.steps) + _FINISHING_ROUNDINGS) * _UNIT * magnitude
        return found if (difference <= allowed).all() else None  # nor where one is not a number

    @property
    def _ends(self) -> np.ndarray:
        return np.array([[-self.products], [self.products]], np.float32) * np.ones_like(self.steps[0].operand)


def folded(chain: Chain, steps: tuple[Step, ...], *, pooled: bool) -> Chain | None:
    """Return the chain with an operator's steps where that is one scale and one shift still; else None.

    Where the operator stands behind a max-pool (`pooled`), it must never fall: `f(max(x, y)) = max(f(x), f(y))`.
    """
    if not steps or (pooled and any((step.directions < 0).any() for step in steps)):
        return None
    longer = chain.then(*steps)
    return longer if longer.affine is not None else None


def sign_thresholds(chain: Chain) -> tuple[np.ndarray, np.ndarray]:
    """Return by channel which kernels to negate, bool, and t, int32, with `chain(sum) < 0` where `K - sum > 2 t`.

    The sum is that with the negated kernels: of those channels whose value falls with the sum.

    Raises:
        ValueError: a value of the chain is not finite.
    """
    if not chain.is_finite:
        raise ValueError("a threshold needs finite values")
    directions = np.where(np.prod([step.directions for step in chain.steps], axis=0) < 0, -1, 1)
    return directions < 0, thresholds(chain.products, directions.size, lambda sums: chain(directions * sums))
