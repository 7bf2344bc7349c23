"""Two forms of one network on the same seeded noise: do they differ by more than the rounding of float32 explains?

The bound is measured, not chosen. A sum of n terms in float32 is the exact sum of terms that are each changed by a
relative sqrt(n) 2^-24 or so, in whatever order it is taken (Higham, Accuracy and Stability of Numerical Algorithms,
section 4.2, with its statistical sqrt(n)); matrix kernels add blocks of at most some 256 terms, so n = 256 and the
change is 2^-20. The reference is run once more with every input and weight changed that much, up or down by lot, and
how far its tensors move (D) is how far rounding can move them, cancellation and all. Terms of one sign, whose errors
such changes average out, add 2^-20 times the largest value S. Both sides round, and each may have twice the move of one
lot:

    |found - expected| <= 4 (D + 2^-20 S).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

ROUNDING = 2.0**-20  # of a sum in float32, relative to its terms
SAFETY = 4.0
RESOLVED = 1e-3  # a bound above this part of the largest value tells nothing
SEED = 1511
SMALL_ELEMENTS = 4096  # inputs below this get more than one sample of each kind of noise
FREE_PIXELS, FREE_STEPS = 64, 32  # in the place of free axes of images, and of anything else
KINDS: tuple[Callable[[np.random.Generator, tuple[int, ...]], np.ndarray], ...] = (
    lambda generator, shape: generator.normal(size=shape),
    lambda generator, shape: generator.uniform(0, 1, shape),
    lambda generator, shape: 3 * generator.uniform(-1, 1, shape) + generator.choice([-2.0, 2.0]),
    lambda generator, shape: generator.uniform(0, 255, shape),
)

Tensors = list[tuple[str, np.ndarray]]  # named tensors in the order of computation
Side = Callable[[list[np.ndarray]], Tensors]


@dataclass(frozen=True)
class Spec:
    """An input: its shape, None for a free axis, its dtype, and the first integer that it does not take.

    Floats that are `whole` stand for integers: they are drawn like these, and not changed.
    """

    shape: tuple[int | None, ...]
    dtype: str
    limit: int = 256
    whole: bool = False


@dataclass(frozen=True)
class Parting:
    """Where two runs part: the tensor, how far, and how far rounding would have explained; infinite for a shape."""

    name: str
    difference: float
    bound: float


def compare(reference: Side, other: Side, specs: Sequence[Spec], *, variables: Sequence[Any]) -> list[Parting]:
    """Return the tensors in which `other` parts from `reference` on seeded noise, in the order of computation.

    `variables` are the reference's weights, which are changed and restored. Both sides name the same tensors in the
    same order. A tensor whose bound never resolves a part in a thousand has a difference that is no number.
    """
    worst: dict[int, Parting] = {}
    resolved: set[int] = set()
    count = 0
    for inputs in draws(specs):
        expected = reference(inputs)
        with nudged(variables) as generator:
            moved = reference(
                [array if spec.whole else _nudged(array, generator) for spec, array in zip(specs, inputs, strict=True)]
            )
        found = other(inputs)
        count = len(expected)
        for index, ((name, left), (_, near), (_, right)) in enumerate(zip(expected, moved, found, strict=True)):
            if left.shape != right.shape:
                worst.setdefault(index, Parting(name, np.inf, 0.0))
                continue
            difference, bound, scale = distances(left, near, right, samples=len(inputs[0]))
            if (bound <= RESOLVED * scale).any() or left.dtype.kind in "iub":
                resolved.add(index)
            if (difference > bound).any():
                at = int(np.argmax(difference - bound))
                worst.setdefault(index, Parting(name, float(difference[at]), float(bound[at])))
    for index in set(range(count)) - resolved:
        worst.setdefault(index, Parting(expected[index][0], np.nan, np.nan))
    return [worst[index] for index in sorted(worst)]


def distances(
    expected: np.ndarray, moved: np.ndarray, found: np.ndarray, *, samples: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return |found - expected|, its bound and the largest |expected|, each the greatest of a sample.

    Where `expected` is not finite, `found` has to be the same; integers have to be equal where the move leaves them so.
    A sample that happens to move little is allowed what the median one moves.
    """
    exact = expected.dtype.kind in "iub"
    rows = (samples if expected.ndim and len(expected) == samples else 1, -1)
    left, near, right = (
        np.asarray(array, np.float64 if exact else None).reshape(rows) for array in (expected, moved, found)
    )
    with np.errstate(invalid="ignore", over="ignore"):
        difference, move, scale = _greatest(right - left), _greatest(near - left), _greatest(left)
        if not np.isfinite([difference, move, scale]).all():
            finite = np.isfinite(left)
            differs = np.where(finite, np.abs(right - left), np.where(_same(left, right), 0.0, np.inf))
            difference = _greatest(np.nan_to_num(differs, nan=np.inf, posinf=np.inf))
            move = _greatest(np.where(finite & np.isfinite(near), near - left, 0.0))
            scale = _greatest(np.where(finite, left, 0.0))
    if exact:
        return difference, SAFETY * move, scale
    ordinary = np.median(move[scale > 0] / scale[scale > 0]) if (scale > 0).any() else 0.0
    return difference, SAFETY * (np.maximum(move, ordinary * scale) + ROUNDING * scale), scale


def _greatest(rows: np.ndarray) -> np.ndarray:
    """Return the greatest magnitude of each row, in float64; not a number where one is not."""
    return np.maximum(rows.max(1, initial=0.0), -rows.min(1, initial=0.0)).astype(np.float64)


def draws(specs: Sequence[Spec]) -> Iterator[list[np.ndarray]]:
    """Yield batches of noise for all inputs: normal, [0, 1], shifted below or above zero, and [0, 255].

    Free batches get all kinds at once, fixed ones a kind at a time.
    """
    elements = max((int(np.prod(_filled(spec.shape)[1:])) for spec in specs), default=1)
    each = int(np.clip(SMALL_ELEMENTS // max(elements, 1), 1, 8))
    generator = np.random.default_rng(SEED)
    kinds = [
        [_drawn(kind, spec, spec.shape[0] if spec.shape and spec.shape[0] else each, generator) for spec in specs]
        for kind in KINDS
    ]
    if any(not spec.shape or spec.shape[0] for spec in specs):
        yield from kinds
    else:
        yield [np.concatenate(arrays) for arrays in zip(*kinds, strict=True)]


@contextmanager
def nudged(variables: Sequence[Any]) -> Iterator[np.random.Generator]:
    """Change every floating variable by a relative 2^-20, up or down by lot; restore it at the end."""
    generator = np.random.default_rng(SEED)
    originals = [(variable, np.asarray(variable)) for variable in variables]
    try:
        for variable, array in originals:
            if array.dtype.kind == "f":
                variable.assign(_nudged(array, generator))
        yield generator
    finally:
        for variable, array in originals:
            if array.dtype.kind == "f":
                variable.assign(array)


def _nudged(array: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    if array.dtype.kind != "f":
        return array
    lots = np.frombuffer(generator.bytes(array.size), np.int8).reshape(array.shape) < 0
    return array * np.where(lots, np.float32(1 - ROUNDING), np.float32(1 + ROUNDING))


def _drawn(kind: Any, spec: Spec, batch: int, generator: np.random.Generator) -> np.ndarray:
    shape = (batch, *_filled(spec.shape)[1:])
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f" and not spec.whole:
        return kind(generator, shape).astype(dtype)
    return generator.integers(0, 2 if dtype.kind == "b" else spec.limit, shape).astype(dtype)


def _filled(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    free = FREE_PIXELS if len(shape) == 4 else FREE_STEPS
    return tuple(free if length is None else length for length in shape)


def _same(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left == right) | (np.isnan(left) & np.isnan(right))
