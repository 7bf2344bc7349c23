"""Wait until a device is about as cool as it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from edgecompress.profiling.validity import hottest

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
    """Sleep until the hottest sensor is within `MARGIN_C` of the snapshot `before`; return the seconds waited."""
    goal = hottest(before)
    if goal is None:
        sleep(min(BLIND_S, longest_s))
        return min(BLIND_S, longest_s)
    waited_s = 0.0
    while waited_s < longest_s and (now := hottest(look())) is not None and now > goal + MARGIN_C:
        sleep(LOOK_EVERY_S)
        waited_s += LOOK_EVERY_S
    return waited_s
