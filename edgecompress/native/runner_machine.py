"""What the system tells the Python runner of its process and of the machine; pushed to devices, as that is."""

from __future__ import annotations

import os
import resource


def cores() -> int:
    """A mask of the cores that this process may run on."""
    return sum(1 << core for core in os.sched_getaffinity(0) if core < 64)


def core() -> int:
    """Where this thread ran last: field 39 of its `stat`, counted behind the name, which may hold anything."""
    return int("".join(_lines("/proc/self/stat")).rpartition(")")[2].split()[36])


def clock_khz(core: int) -> int:
    """The clock of a core; 0 where the system does not tell."""
    return int(next(iter(_lines(f"/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq")), "0"))


def memory(key: str) -> int:
    """Bytes of this process by the kernel's name for them."""
    found = (int(line.split()[1]) * 1024 for line in _lines("/proc/self/status") if line.startswith(f"{key}:"))
    return next(found, 0)


def counters() -> dict[str, int | None]:
    """What `runner/counters.h` says, in the same words; None where the system does not tell."""
    files = [_lines(f"/proc/self/task/{task}/schedstat") for task in os.listdir("/proc/self/task")]  # noqa: PTH208
    queues = [[int(word) for word in lines[0].split()] for lines in files if lines]  # run, waited, times
    allowed = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    words = [line.split() for line in _lines("/proc/stat")]
    ticks = [[int(word) for word in each[1:9]] for each in words if each and each[0] in allowed]
    tick_ns = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    return {
        "waited_ns": sum(each[1] for each in queues) if any(each[2] for each in queues) else None,
        "preempted": resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw,
        "busy_ns": tick_ns * sum(sum(each[:3]) + sum(each[5:7]) for each in ticks) if ticks else None,
        "stolen_ns": tick_ns * sum(sum(each[7:]) for each in ticks) if ticks else None,
    }


def since(before: dict[str, int | None]) -> dict[str, int | None]:
    """How far the counters have gone on."""
    after = counters()
    return {
        name: None if was is None or (now := after[name]) is None else max(0, now - was) for name, was in before.items()
    }


def _lines(path: str) -> list[str]:
    try:
        with open(path) as file:  # noqa: PTH123
            return file.read().splitlines()
    except OSError:
        return []
