"""Which cores of a device are alike, and which are to do the work."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from edgecompress.devices.answers import whole
from edgecompress.errors import DeviceError

KINDS = ("prime", "big", "mid", "little")
MAX_CORES = 64  # of a mask that travels as one number
_MASK = re.compile(r"(?:0x)?([0-9a-fA-F]{1,16})")


@dataclass(frozen=True)
class Cluster:
    """Cores of one kind."""

    cores: tuple[int, ...]
    capacity: int | None  # the kernel's figure, 1024 for the fastest
    max_mhz: float | None

    @property
    def mask(self) -> int:
        """One bit a core."""
        return sum(1 << core for core in self.cores)


def clusters(conditions: dict[str, Any]) -> tuple[Cluster, ...]:
    """Return the clusters of a snapshot, slowest first: cores of one capacity, or where that is not told, one clock.

    The capacity counts for more, as a smaller core may have the higher clock.
    """
    capacities = {int(name[3:]): value for name, value in conditions.get("capacities", {}).items()}
    clocks: dict[int, float | None] = {}
    for cores, clock in conditions.get("clocks", {}).items():
        clocks |= {core: clock["max_mhz"] for each in cores.split() if (core := whole(each)) is not None}
    kinds: dict[tuple[int | None, float | None], list[int]] = {}
    for core in sorted(core for core in capacities.keys() | clocks.keys() if core < MAX_CORES):
        kinds.setdefault((capacities.get(core), clocks.get(core)), []).append(core)
    found = [Cluster(tuple(cores), *kind) for kind, cores in kinds.items()]
    return tuple(sorted(found, key=lambda each: (each.capacity or 0, each.max_mhz or 0.0)))


def listed(text: str) -> frozenset[int]:
    """Return the cores of a list as kernels write it, such as "0-3,6"; what is no such list has none."""
    found: set[int] = set()
    for part in text.replace(" ", ",").split(","):
        first, dash, last = part.partition("-")
        low, high = whole(first), whole(last if dash else first)
        if low is not None and high is not None:
            found |= set(range(low, min(high, MAX_CORES - 1) + 1))
    return frozenset(found)


def in_ranges(cores: Iterable[int]) -> str:
    """Return cores as a kernel writes them: "0-3,6"."""
    runs: list[list[int]] = []
    for core in sorted(cores):
        if runs and core == runs[-1][-1] + 1:
            runs[-1].append(core)
        else:
            runs.append([core])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def core_mask(wanted: str, conditions: dict[str, Any], *, device: str) -> int:
    """Return the mask for a kind of cores, `all` (0: no pinning), or a mask.

    `little` are the slowest cores, and `big` all others; of three clusters or more, `prime` is the fastest and `mid`
    what lies between; of two, `prime` is a fast core that is alone.

    Raises:
        DeviceError: the device has no such cores, or does not tell, or the mask is no mask.
    """
    if wanted == "all":
        return 0
    if wanted not in KINDS:
        found = _MASK.fullmatch(wanted)
        if not found or not int(found[1], 16):
            raise DeviceError(
                f"'{wanted[:40]}' names no cores.", hint=f"Give {', '.join(KINDS)}, all, or a mask such as f0."
            )
        return int(found[1], 16)
    kinds = clusters(conditions)
    if len(kinds) < 2:
        what = "has cores of one kind only" if kinds else "does not tell which of its cores are fast"
        raise DeviceError(f"{device} {what}, so that none are '{wanted}'.", hint="Give `--cores all`, or a mask.")
    masks = _masks(kinds)
    if wanted not in masks:
        there = ", ".join(f"{kind} ({in_ranges(cores_of(mask))})" for kind, mask in masks.items())
        raise DeviceError(f"{device} has no '{wanted}' cores; it has {there}.", hint="Give one of these, or a mask.")
    return masks[wanted]


def _masks(kinds: tuple[Cluster, ...]) -> dict[str, int]:
    """The kinds that two clusters or more have, by name."""
    found = {"little": kinds[0].mask, "big": sum(kind.mask for kind in kinds[1:])}
    if len(kinds) > 2:
        found["mid"] = sum(kind.mask for kind in kinds[1:-1])
    if len(kinds) > 2 or len(kinds[-1].cores) == 1:
        found["prime"] = kinds[-1].mask
    return found


def cores_of(mask: int) -> tuple[int, ...]:
    """Return the cores of a mask."""
    return tuple(core for core in range(mask.bit_length()) if mask >> core & 1)
