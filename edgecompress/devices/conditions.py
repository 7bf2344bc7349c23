"""The conditions that a measurement on this machine is taken in: processor, clock, governor, heat, load."""

from __future__ import annotations

import math
import platform
from pathlib import Path
from typing import Any

# What decides which kernels a runtime picks: vector widths, and products of half floats and bytes.
FLAGS = (
    *("sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx512_fp16", "avx_vnni"),
    *("amx_int8", "neon", "asimd", "fphp", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)


def snapshot(root: str | Path = "/") -> dict[str, Any]:
    """Read the conditions from `proc` and `sys` below `root`: JSON values, without the keys that a machine lacks.

    Clocks are in MHz, temperatures in degrees Celsius, memory in bytes. `throttled` is the Raspberry Pi's word: bits
    0-3 say what holds now, 16-19 what has held since it was started.
    """
    root = Path(root)
    processor = _fields(root / "proc/cpuinfo")
    memory = _fields(root / "proc/meminfo")
    flags = _first(processor, "flags", "Features").split()
    found = {
        "machine": platform.machine(),
        "kernel": _text(root / "proc/sys/kernel/osrelease"),
        "board": _text(root / "proc/device-tree/model").strip("\0"),
        "processor": _first(processor, "model name", "Hardware", "CPU part"),
        "flags": [flag for flag in FLAGS if flag in flags],
        "virtual": "hypervisor" in flags if "flags" in processor else None,  # an Arm processor does not say
        "cores": _text(root / "sys/devices/system/cpu/online"),
        "allowed_cores": _first(_fields(root / "proc/self/status"), "Cpus_allowed_list"),
        "load_average": [_number(each) for each in _text(root / "proc/loadavg").split()[:3]],
        "memory_total_bytes": _kilobytes(memory.get("MemTotal")),
        "memory_available_bytes": _kilobytes(memory.get("MemAvailable")),
        "clocks": _clocks(root),
        "temperatures": _temperatures(root),
        "throttle_counts": _throttle_counts(root),
        "throttled": _text(root / "sys/devices/platform/soc/soc:firmware/get_throttled"),
    }
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def _clocks(root: Path) -> dict[str, dict[str, Any]]:
    """Governor and clocks, by the cores that share them."""
    clocks = {}
    for policy in sorted(root.glob("sys/devices/system/cpu/cpufreq/policy*")):
        cores = _text(policy / "related_cpus")
        clocks[cores or policy.name] = {
            "governor": _text(policy / "scaling_governor") or None,
            "now_mhz": _scaled(_text(policy / "scaling_cur_freq")),
            "max_mhz": _scaled(_text(policy / "cpuinfo_max_freq")),
        }
    return clocks


def _temperatures(root: Path) -> dict[str, float]:
    found = {}
    for zone in sorted(root.glob("sys/class/thermal/thermal_zone*")):
        degrees = _scaled(_text(zone / "temp"))
        if degrees is not None:
            found[f"{zone.name} {_text(zone / 'type')}".strip()] = degrees
    return found


def _throttle_counts(root: Path) -> dict[str, int]:
    """How often each core was slowed down for its heat since the start, where an Intel processor counts it."""
    counts = {}
    for counter in sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count")):
        if (text := _text(counter)).isdecimal():
            counts[counter.parts[-3]] = int(text)
    return counts


def _fields(path: Path) -> dict[str, str]:
    """Lines of the form `key: value`; of a key that comes more than once, the last."""
    lines = (line.partition(":") for line in _text(path).splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}


def _first(fields: dict[str, str], *keys: str) -> str:
    return next((fields[key] for key in keys if key in fields), "")


def _kilobytes(text: str | None) -> int | None:
    number = (text or "").removesuffix("kB").strip()
    return int(number) * 1024 if number.isdecimal() else None


def _scaled(text: str) -> float | None:
    """Thousandths, as the kernel writes kHz and millidegrees."""
    number = _number(text)
    return None if number is None else number / 1000


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None  # JSON has no others


def _text(path: Path) -> str:
    """The file's text; empty where it is missing, or not for us to read, or a sensor that gives an error."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
