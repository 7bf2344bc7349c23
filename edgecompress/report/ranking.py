"""What is best, and what cannot be told apart: smaller is better here; callers negate what should be large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgecompress.numerics.paired import CONFIDENCE, paired_drop
from edgecompress.profiling.statistics import compare
from edgecompress.report.content import Interval
from edgecompress.verification import unpacked

BEST = "best"
CANNOT_TELL = "cannot tell"


@dataclass(frozen=True)
class Wrong(Interval):
    """How many of the images are wrong, which of them being known; the same images for all files of a run."""

    right: str = ""  # `packed`
    images: int = 0

    def flags(self) -> np.ndarray | None:
        """Return which images are right, if that is known."""
        return unpacked(self.right, self.images)


def rank(values: Sequence[Interval | None]) -> list[str]:
    """Mark the smallest value `BEST`, or, where others are not known to be larger, it and those `CANNOT_TELL`.

    Equal exact values are all best, unless all values are equal; a lone value is not ranked.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return [""] * len(values)
    smallest = min(known, key=lambda value: value.value)
    pairs = _pairs(len(known))
    rivals = [value for value in known if not known_less(smallest, value, comparisons=pairs)]
    equal = all(value == smallest and not value.processes for value in rivals) or len(rivals) == 1
    mark = CANNOT_TELL if not equal else BEST if len(rivals) < len(known) else ""
    return [mark if value is not None and value in rivals else "" for value in values]


def pareto_front(points: Sequence[tuple[Interval, ...] | None]) -> list[bool]:
    """Return which points no other dominates; a point that lacks an axis is None and not on the front.

    A point dominates another that is nowhere known to be less and somewhere known to be more: a difference that the
    measurement leaves open neither wins nor loses. So points can dominate one another in a circle; they are on the
    front together, if none outside of the circle dominates one of them.
    """
    known = [point for point in points if point is not None]
    pairs = _pairs(len(known))
    above = np.array([[_dominates(one, other, pairs) for other in known] for one in known], bool)
    above = above.reshape(len(known), len(known))
    for middle in range(len(known)):  # in any number of steps
        above |= above[:, [middle]] & above[[middle]]
    best = iter(np.all(above <= above.T, axis=0))
    return [point is not None and bool(next(best)) for point in points]


def known_less(one: Interval, other: Interval, *, comparisons: int = 1) -> bool:
    """Return whether one figure is known to be less than the other, with an error that `comparisons` such share.

    What was timed is compared by pairs of processes, as `edgecompress compare` does, and only within one session: what
    else the machine did, and its heat, differ between sessions. What was counted on images is compared on the same
    ones, by McNemar's test. Other figures compare by their bounds.
    """
    if isinstance(one, Wrong) and isinstance(other, Wrong):
        return _known_fewer(one, other, comparisons)
    if one.processes and other.processes:
        paired = one.session and one.session == other.session and len(one.processes) == len(other.processes) > 1
        series = [[[each] for each in figure.processes] for figure in (one, other)]
        return bool(paired) and compare(*series, comparisons=comparisons).verdict == "slower"
    return one.high is not None and other.low is not None and one.high < other.low


def _known_fewer(one: Wrong, other: Wrong, comparisons: int) -> bool:
    flags, others = one.flags(), other.flags()
    if flags is None or others is None or len(flags) != len(others):
        return False
    drop = paired_drop(flags, others)
    return drop.lost > drop.won and drop.p_value < (1 - CONFIDENCE) / comparisons


def _pairs(count: int) -> int:
    """How many comparisons there are: which is the smallest is seen from the figures, so any may become one of them."""
    return max(1, count * (count - 1) // 2)


def _dominates(one: tuple[Interval, ...], other: tuple[Interval, ...], comparisons: int) -> bool:
    pairs = list(zip(one, other, strict=True))
    return not any(known_less(b, a, comparisons=comparisons) for a, b in pairs) and any(
        known_less(a, b, comparisons=comparisons) for a, b in pairs
    )
