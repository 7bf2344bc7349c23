"""Whether the samples of a round may be believed: a device that slowed itself down measures its heat, not the model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

LIMIT_FELL = 0.01  # of the clock's upper limit; below it is rounding
CLOCK_FELL = 0.05  # between the highest of the earlier readings and the median of the last ones
LAST_READINGS = 3
SEVERE = 3  # of Android's thermal states: from it on, it slows down what a user sees
NOW_BITS, PAST_BITS = 0xF, 16  # of the Raspberry Pi's word: what holds, and what has held since the start
_PI_BITS = ("the supply's voltage is too low", "the clock is capped", "it is throttled", "it is at its soft heat limit")


def why_invalid(before: dict[str, Any], later: Sequence[dict[str, Any]], readings: Sequence[tuple[int, int]]) -> str:
    """Return what speaks against a round, or nothing.

    `before` and `later` are snapshots in order of time; `readings` are cores and their clocks in kHz, each taken right
    after a block of inferences, when the core still had it. A device that is too hot from the start is so, too.
    """
    if reason := why_hot(before):
        return reason
    for now in later:
        for reason in (why_hot(now), _newly_throttled(before, now), _limit_fell(before, now), _slowed(before, now)):
            if reason:
                return reason
    return clock_fell(readings)


def clock_fell(readings: Sequence[tuple[int, int]]) -> str:
    """Return which core's clock fell under load, and how far."""
    by_core: dict[int, list[int]] = defaultdict(list)
    for core, khz in readings:
        if khz > 0:
            by_core[core].append(khz)
    for core, clocks in sorted(by_core.items()):
        earlier, last = clocks[:-LAST_READINGS], sorted(clocks[-LAST_READINGS:])[LAST_READINGS // 2 :]
        if earlier and last[0] < max(earlier) * (1 - CLOCK_FELL):
            return f"the clock of core {core} fell from {max(earlier) / 1000:.0f} to {last[0] / 1000:.0f} MHz"
    return ""


def hottest(conditions: dict[str, Any]) -> float | None:
    """Return the highest temperature of a snapshot."""
    return max(conditions.get("temperatures", {}).values(), default=None)


def why_hot(look: dict[str, Any]) -> str:
    """Return what a device says that slows it down at this moment, for its heat or its supply; or nothing."""
    if now := throttle_word(look) & NOW_BITS:
        return _firmware_says(now)
    if (status := look.get("thermal_status", 0)) >= SEVERE:
        return f"Android's thermal status is {status}"
    return ""


def throttle_word(look: dict[str, Any]) -> int:
    """Return the Raspberry Pi's word of a snapshot, 0 where there is none."""
    try:
        return int(look.get("throttled", ""), 16)
    except ValueError:
        return 0


def _newly_throttled(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The Pi's firmware: what has held at some time since the round began."""
    newly = throttle_word(now) >> PAST_BITS & ~(throttle_word(before) >> PAST_BITS) & NOW_BITS
    return _firmware_says(newly) if newly else ""


def _firmware_says(bits: int) -> str:
    return f"the firmware says that {next(each for bit, each in enumerate(_PI_BITS) if bits & 1 << bit)}"


def _limit_fell(before: dict[str, Any], now: dict[str, Any]) -> str:
    for cores, clock in now.get("clocks", {}).items():
        was, limit = before.get("clocks", {}).get(cores, {}).get("limit_mhz"), clock.get("limit_mhz")
        if was and limit and limit < was * (1 - LIMIT_FELL):
            return f"the limit of the clock of cores {cores} fell from {was:.0f} to {limit:.0f} MHz"
    return ""


def _slowed(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Intel's counters, and Android's word."""
    counts = before.get("throttle_counts", {})
    for core, count in now.get("throttle_counts", {}).items():
        if count > counts.get(core, count):
            return f"{core} was slowed down for its heat"
    if now.get("thermal_status", 0) > before.get("thermal_status", 0):
        return f"Android's thermal status rose to {now['thermal_status']}"
    return ""
