"""Run a model until its times no longer fall: caches, branch predictors and the clock need a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WINDOW_S = 0.1
WINDOW_RUNS = 3
MIN_S = 0.5
MAX_S = 3.0
FLAT_WINDOWS = 3
FLAT_SPREAD = 0.05  # between the largest and the smallest median of these windows, over the smallest


@dataclass(frozen=True)
class WarmUp:
    """How long it took, and whether it ended flat or at the cap."""

    seconds: float
    runs: int
    flat: bool


def warm_up(time_block: Callable[..., np.ndarray]) -> WarmUp:
    """Call `time_block(runs=, seconds=)`, which returns nanoseconds, for `MIN_S` and until flat, up to `MAX_S`.

    Flat means that the medians of the last three windows are within 5 % of one another.
    """
    medians: list[float] = []
    seconds, runs = 0.0, 0
    while seconds < MAX_S:
        samples_ns = time_block(runs=WINDOW_RUNS, seconds=WINDOW_S)
        medians.append(float(np.median(samples_ns)))
        seconds += float(samples_ns.sum()) / 1e9
        runs += len(samples_ns)
        if seconds >= MIN_S and is_flat(medians):
            return WarmUp(seconds, runs, True)
    return WarmUp(seconds, runs, False)


def is_flat(medians: list[float]) -> bool:
    """Whether the last windows' medians agree."""
    last = medians[-FLAT_WINDOWS:]
    return len(last) == FLAT_WINDOWS and max(last) <= min(last) * (1 + FLAT_SPREAD)
