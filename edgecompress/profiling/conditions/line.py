"""The conditions of a measurement in a line: governor, clock and its limit, heat, throttling, load, battery."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from edgecompress.devices.cores import in_ranges, listed
from edgecompress.profiling.conditions.validity import hottest, throttle_word

_NOW, _PAST = 0xF, 0xF0000


def conditions_line(looks: Sequence[dict[str, Any]], *, cores: int, readings: Sequence[tuple[int, int]]) -> str:
    """Return the line; see `standing` for the arguments.

    Such as "governor ondemand, 1800 of 1800 MHz, 48 to 51 °C, not throttled, load 0.1 of 4".
    """
    parts = {
        "governor and clock": _clocks(looks[-1], cores, readings),
        "temperature": _temperature(looks),
        "throttling": _throttling(looks),
        "load": _load(looks[0]),
        "battery": _battery(looks[-1]),
    }
    told = [text for text in parts.values() if text]
    silent = [name for name, text in parts.items() if not text and name != "battery"]
    return ", ".join(told) + (f"{'; ' if told else ''}not told: {', '.join(silent)}" if silent else "")


def _clocks(look: dict[str, Any], cores: int, readings: Sequence[tuple[int, int]]) -> str:
    """Of the clusters that the model might run on: the clock that it had, or one of an idle moment, and the limit."""
    clocks = {
        name: clock
        for name, clock in look.get("clocks", {}).items()
        if not cores or not listed(name) or any(cores >> core & 1 for core in listed(name))
    }
    governors = sorted({clock["governor"] for clock in clocks.values() if clock.get("governor")})
    found = [f"governor {' and '.join(governors)}"] if governors else []
    for name, clock in clocks.items():
        ran_khz = [khz for core, khz in readings if khz > 0 and core in listed(name)]
        now_mhz = median(ran_khz) / 1000 if ran_khz else clock.get("now_mhz")
        limit_mhz, max_mhz = clock.get("limit_mhz"), clock.get("max_mhz")
        words = [
            f"{now_mhz:.0f}{'' if ran_khz else ' (idle)'}" if now_mhz else "",
            f"of {limit_mhz:.0f} MHz" if limit_mhz else "MHz",
            f"(limited from {max_mhz:.0f})" if limit_mhz and max_mhz and limit_mhz < max_mhz else "",
        ]
        if now_mhz or limit_mhz:
            which = f"cores {in_ranges(listed(name)) or name}: " if len(clocks) > 1 else ""
            found.append(which + " ".join(filter(None, words)))
    return ", ".join(found)


def _temperature(looks: Sequence[dict[str, Any]]) -> str:
    found = [degrees for look in looks if (degrees := hottest(look)) is not None]
    if not found:
        return ""
    low, high = f"{found[0]:.0f}", f"{max(found):.0f}"
    return f"{low} °C" if low == high else f"{low} to {high} °C"


def _throttling(looks: Sequence[dict[str, Any]]) -> str:
    statuses = [look["thermal_status"] for look in looks if "thermal_status" in look]
    if statuses:
        return f"thermal status {max(statuses)}"
    words = [throttle_word(look) for look in looks if "throttled" in look]
    if words:
        now = f"throttled (0x{max(word & _NOW for word in words):x})" if any(word & _NOW for word in words) else ""
        since = ", but was since it was started" if words[0] & _PAST else ""
        return now or f"not throttled{since}"
    counts = [look["throttle_counts"] for look in looks if "throttle_counts" in look]
    if not counts:
        return ""
    return "not throttled" if counts[0] == counts[-1] else "throttled"


def _load(look: dict[str, Any]) -> str:
    load, count = look.get("load_average"), len(listed(look.get("cores", "")))
    return f"load {load[0]:.1f}{f' of {count}' if count else ''}" if load else ""


def _battery(look: dict[str, Any]) -> str:
    battery = look.get("battery", {})
    parts = [f"battery {battery['percent']:.0f} %"] if "percent" in battery else []
    parts += [battery["status"].lower()] if parts and "status" in battery else []
    parts += ["screen off"] if look.get("awake") is False else []
    parts += ["battery saver on"] if look.get("battery_saver") else []
    return ", ".join(parts)
