"""Wait until a device is about as cool as it was, and not throttled."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from edgecompress.profiling.conditions.validity import hottest, why_hot

MARGIN_C = 3.0
LOOK_EVERY_S = 5.0
BLIND_S = 20.0  # where a device tells no temperature


def cool_down(
    look: Callable[[], dict[str, Any]],
    before: dict[str, Any],
    *,
    longest_s: float,
    sleep: Callable[[float], None] = time.sleep,
) -> float:
    """Sleep until the hottest sensor is within `MARGIN_C` of the snapshot `before`, and nothing slows the device down.

    Returns the seconds waited.
    """
    goal, waited_s = hottest(before), 0.0
    if goal is None:
        waited_s = min(BLIND_S, longest_s)
        sleep(waited_s)
    while waited_s < longest_s and _is_hot(look(), goal):
        sleep(LOOK_EVERY_S)
        waited_s += LOOK_EVERY_S
    return waited_s


def _is_hot(now: dict[str, Any], goal: float | None) -> bool:
    degrees = hottest(now)
    return bool(why_hot(now)) or (goal is not None and degrees is not None and degrees > goal + MARGIN_C)
