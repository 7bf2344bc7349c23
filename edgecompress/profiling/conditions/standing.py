"""What a device's state means for figures that are taken in it, whether or not it changed meanwhile."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Any

from edgecompress.devices.cores import in_ranges, listed
from edgecompress.profiling.conditions.line import conditions_line

LIMITED = 0.99  # of the highest clock; above it is rounding
SLOW = 0.75  # of the highest clock: below it, neither a governor's last step nor many busy cores explain it
LOADED = 0.5  # of the cores


def standing(
    looks: Sequence[dict[str, Any]],
    *,
    first: dict[str, Any],
    threads: int,
    cores: int,
    readings: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """Return what is kept with figures: the conditions in a `line`, and `remarks`, sentences on what was unusual.

    `looks` are snapshots in the order of time, and `first` is one from before anything was measured; `cores` is the
    mask of the cores that the model might run on, 0 where it is not known; `readings` are cores with clocks in kHz.
    """
    return {
        "line": conditions_line(looks, cores=cores, readings=readings),
        "remarks": [
            *_limits((looks[0], looks[-1]), cores, readings),
            *_load(first),
            *_threads(threads, cores.bit_count() or len(listed(looks[0].get("allowed_cores", "")))),
        ],
    }


def why_unfit(looks: Sequence[dict[str, Any]]) -> str:
    """Return why no figure of a device in this state tells its speed, however long one waits; or nothing."""
    if any(look.get("awake") is False for look in looks):
        return "the screen was off, and Android slows down what runs then; keep it awake (`svc power stayon true`)"
    if any(look.get("battery_saver") for look in looks):
        return "the battery saver was on, which limits the clocks; turn it off"
    return ""


def _limits(ends: Sequence[dict[str, Any]], cores: int, readings: Sequence[tuple[int, int]]) -> list[str]:
    """Clusters whose clocks were limited at the beginning or the end, by their files or as their cores show."""
    clocks_khz: dict[int, list[int]] = defaultdict(list)
    for core, khz in readings:
        if khz > 0:
            clocks_khz[core].append(khz)
    found = []
    for name, clock in ends[-1].get("clocks", {}).items():
        own, max_mhz = listed(name), clock.get("max_mhz")
        limits_mhz = [look.get("clocks", {}).get(name, {}).get("limit_mhz") for look in ends]
        limit_mhz = min(filter(None, limits_mhz), default=None)
        if not max_mhz or (cores and own and not any(cores >> core & 1 for core in own)):
            continue
        which = f"cores {in_ranges(own)}" if own else name
        highest_mhz = max_mhz
        if limit_mhz and limit_mhz < LIMITED * max_mhz:
            highest_mhz = limit_mhz
            found.append(f"{which} were limited to {limit_mhz:.0f} of {max_mhz:.0f} MHz")
        ran_khz = [khz for core in own for khz in clocks_khz[core]]
        if clock.get("governor") and ran_khz and (ran_mhz := median(ran_khz) / 1000) < SLOW * highest_mhz:
            found.append(f"{which} ran at {ran_mhz:.0f} of {highest_mhz:.0f} MHz")
    return found


def _load(first: dict[str, Any]) -> list[str]:
    load, count = first.get("load_average") or [0.0], len(listed(first.get("cores", "")))
    if not count or load[0] <= LOADED * count:
        return []
    return [f"other work had loaded {load[0]:.1f} of {count} cores before the measurement"]


def _threads(threads: int, cores: int) -> list[str]:
    if not cores or threads <= cores:
        return []
    return [f"{threads} threads shared {cores} core{'s' if cores > 1 else ''}"]
