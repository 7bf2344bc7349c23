"""Operators' times: robust ones out of a few dozen inferences, and whether they add up to an inference."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from edgecompress.values import OperatorTime

RUNS = 50
OFF = 0.1  # of an inference: more is more than what the instruments' own time explains
OFF_NS = 1000  # for each operator: the clock's two readings, in whole microseconds


def median_ns(elapsed_us: Sequence[int]) -> float:
    """Return the median of whole microseconds as that of grouped data, which an operator below one needs:

        m - 1/2 + (n/2 - c) / f

    with the median m, and of n values c below it and f equal to it. A value is the difference of two clock readings
    that were cut to whole ones, so that it stands for what lies around it. One pre-emption does not move it.
    """
    return 1000.0 * max(0.0, statistics.median_grouped(elapsed_us, interval=1))


def agree(operators: Sequence[OperatorTime], p50_ns: float) -> bool:
    """Whether the operators add up to an ordinary inference, within 10 % and a microsecond an operator."""
    return abs(_sum(operators) - p50_ns) <= OFF * p50_ns + OFF_NS * len(operators)


def summary(operators: Sequence[OperatorTime], p50_ns: float) -> str:
    """Say how the operators were timed, and what of an ordinary inference they add up to."""
    how = f"medians of {RUNS} inferences in an instrumented instance"
    added = f"they add up to {_sum(operators) / 1000:.1f} µs, an ordinary inference takes {p50_ns / 1000:.1f} µs"
    if agree(operators, p50_ns):
        return f"{how}; {added}"
    if _sum(operators) < p50_ns:
        return f"{how}; {added}: the rest is spent outside of operators"
    return f"{how}; DISAGREE: {added}, so that neither times nor shares may be relied on"


def _sum(operators: Sequence[OperatorTime]) -> float:
    return sum(operator.time_ns for operator in operators)
