"""What is best, and what cannot be told apart: smaller is better here; callers negate what should be large."""

from __future__ import annotations

from collections.abc import Sequence

from edgecompress.report.content import Interval

BEST = "best"
CANNOT_TELL = "cannot tell"


def rank(values: Sequence[Interval | None]) -> list[str]:
    """Mark the smallest value `BEST`, or, where intervals overlap with its own, it and those `CANNOT_TELL`.

    Equal values without a width are all best, unless all values are equal; a lone value is not ranked.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return [""] * len(values)
    smallest = min(known, key=lambda value: value.value)
    rivals = [value for value in known if value.overlaps(smallest)]
    equal = all(value == smallest for value in rivals)
    mark = CANNOT_TELL if not equal else BEST if len(rivals) < len(known) else ""
    return [mark if value is not None and value.overlaps(smallest) else "" for value in values]


def pareto_front(points: Sequence[tuple[Interval, ...] | None]) -> list[bool]:
    """Return which points no other dominates; a point that lacks an axis is None and not on the front.

    A point dominates another that is nowhere better and somewhere worse, where better and worse mean disjoint
    intervals: a difference that the measurement leaves open neither wins nor loses.
    """
    return [
        point is not None and not any(other is not None and _dominates(other, point) for other in points)
        for point in points
    ]


def _dominates(one: tuple[Interval, ...], other: tuple[Interval, ...]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a.low <= b.high for a, b in pairs) and any(a.high < b.low for a, b in pairs)
