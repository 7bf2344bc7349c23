"""The conditions that a measurement is taken in: processor, clock, governor, heat, load, battery, screen, memory.

A device is asked by one shell script of a few processes, so that asking hardly disturbs it. Any answer may be missing.
A program of the device that hangs is ended, is named under `silent`, and need not be asked again.
"""

from __future__ import annotations

import platform
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from edgecompress.devices.answers import number, whole
from edgecompress.devices.temperatures import degrees
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError, DeviceGone

SNAPSHOT_TIMEOUT_S = 30
PROGRAM_LIMIT_S = 5
PROGRAMS = ("vcgencmd", "dumpsys", "settings")  # of a device, which may be missing, fail or hang
MAX_MHZ = 20_000
MAX_TEXT = 120

# What decides which kernels a runtime picks: vector widths, and products of half floats and bytes.
FLAGS = (
    *("sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx512_fp16", "avx_vnni"),
    *("amx_int8", "neon", "asimd", "fphp", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)

# $1: a folder that stands for the root; $2: programs that are not asked; $3: seconds for each that is.
# `grep -s ''` prints `path:line` for each readable file, in one process. The limit on programs is the shell's own, as
# not every device has a `timeout`.
_SCRIPT = r"""
cd "${1:-/}" || exit 0
grep -s '' /dev/null proc/loadavg proc/meminfo proc/sys/kernel/osrelease \
  sys/devices/system/cpu/online sys/devices/system/cpu/smt/active sys/devices/system/cpu/cpu[0-9]*/cpu_capacity \
  sys/devices/system/cpu/cpufreq/policy*/related_cpus sys/devices/system/cpu/cpufreq/policy*/scaling_governor \
  sys/devices/system/cpu/cpufreq/policy*/scaling_cur_freq sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq \
  sys/devices/system/cpu/cpufreq/policy*/cpuinfo_max_freq \
  sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count \
  sys/class/thermal/thermal_zone*/type sys/class/thermal/thermal_zone*/temp \
  sys/class/power_supply/battery/capacity sys/class/power_supply/battery/status \
  sys/class/power_supply/battery/temp sys/class/power_supply/battery/current_now \
  sys/class/power_supply/battery/voltage_now sys/devices/platform/soc/soc:firmware/get_throttled
grep -s Cpus_allowed_list /dev/null proc/self/status
grep -s -m 30 -E '^(model name|flags|Features|Hardware|CPU part|Model)' /dev/null proc/cpuinfo
for each in sys/firmware/devicetree/base/model proc/device-tree/model; do
  [ -r $each ] && echo "board:$(tr -d '\0' < $each)" && break
done
[ -n "$1" ] && exit 0
exec 4>&1
PATH="$PATH:/system/bin"
ask() {
  case " $without " in *" $1 "*) return ;; esac
  "$@" 2>/dev/null </dev/null & asked=$!
  ( sleep $limit; kill -9 $asked ) >/dev/null 2>&1 </dev/null 4>&1 & watch=$!
  wait $asked
  [ $? = 137 ] && without="$without $1" && echo "silent:$1" >&4
  kill -9 $watch
} 2>/dev/null
without=$2 limit=$3
if [ ! -r sys/devices/platform/soc/soc:firmware/get_throttled ] && command -v vcgencmd >/dev/null 2>&1; then
  ask vcgencmd get_throttled | sed 's/^/vcgencmd:/'
fi
if command -v dumpsys >/dev/null 2>&1; then
  power=$(ask dumpsys power | sed -n -E 's/^ *(mWakefulness|mLowPowerModeEnabled)=/\1:/p')
  echo "$power"
  case $power in *mLowPower*) ;; *) ask settings get global low_power | sed 's/^/low_power:/' ;; esac
  ask dumpsys thermalservice | grep -m 1 'Thermal Status' | sed 's/^ */thermal:/'
fi
exit 0
"""
_CPU = "sys/devices/system/cpu/"


def snapshot(transport: Transport | None = None, *, root: str = "", without: Sequence[str] = ()) -> dict[str, Any]:
    """Ask a device (this machine, unless told otherwise): JSON values, without the keys that it lacks.

    Clocks are in MHz, temperatures in degrees Celsius, memory in bytes. `throttled` is the Raspberry Pi's word: bits
    0-3 say what holds now, 16-19 what has held since it was started. `thermal_status` is Android's, 0 to 6. `root` is
    a folder to read below, without asking programs; `without` are programs that are not asked, such as the `silent`
    ones of an earlier snapshot.

    Raises:
        DeviceError: the device cannot be reached.
    """
    about = {} if transport else {"machine": platform.machine()}
    transport = transport or LocalTransport()
    began_s = time.monotonic()
    try:
        words = (root, " ".join(without), str(PROGRAM_LIMIT_S))
        said = transport.shell(_SCRIPT, *words, timeout_s=SNAPSHOT_TIMEOUT_S).stdout
    except DeviceGone:
        raise
    except DeviceError:
        if set(without) >= set(PROGRAMS) or time.monotonic() - began_s < SNAPSHOT_TIMEOUT_S:
            raise
        return {**about, **snapshot(transport, root=root, without=PROGRAMS)}  # one of them cannot even be killed
    said += "".join(f"\nsilent:{program}" for program in without)
    return {**about, **parse_snapshot(said)}


def parse_snapshot(text: str) -> dict[str, Any]:
    """Make sense of the script's answer, which a hostile device may have written."""
    files: dict[str, list[str]] = defaultdict(list)
    for line in text[: 1 << 20].splitlines():
        path, _, value = line.partition(":")
        if path.endswith("soc"):  # the one path with a colon in it
            path, _, value = value.partition(":")
        files[path].append(value.strip())
    first = {path: lines[0] for path, lines in files.items()}
    processor = _fields(files["proc/cpuinfo"])
    memory = _fields(files["proc/meminfo"])
    flags = _first(processor, "flags", "Features").split()
    found = {
        "kernel": _told(first.get("proc/sys/kernel/osrelease", "")),
        "board": _told(first.get("board", "")),
        "processor": _told(_first(processor, "model name", "Hardware", "CPU part")),
        "flags": [flag for flag in FLAGS if flag in flags],
        "virtual": "hypervisor" in flags if "flags" in processor else None,  # an Arm processor does not say
        "smt": {"1": True, "0": False}.get(first.get(f"{_CPU}smt/active", "")),  # cores may be halves of one
        "cores": _told(first.get(f"{_CPU}online", "")),
        "allowed_cores": _told(_fields(files["proc/self/status"]).get("Cpus_allowed_list", "")),
        "load_average": [
            load for each in first.get("proc/loadavg", "").split()[:3] if (load := number(each)) is not None
        ],
        "memory_total_bytes": _kilobytes(memory.get("MemTotal")),
        "memory_available_bytes": _kilobytes(memory.get("MemAvailable")),
        "capacities": _by_core(first, "/cpu_capacity"),
        "clocks": _clocks(first),
        "temperatures": _temperatures(first),
        "throttle_counts": _by_core(first, "/thermal_throttle/core_throttle_count"),
        "throttled": _throttled(first),
        "thermal_status": whole(first.get("thermal", "").rpartition(":")[2]),
        "awake": {"Awake": True, "Asleep": False, "Dozing": False}.get(first.get("mWakefulness", "")),
        "battery_saver": {"true": True, "1": True, "false": False, "0": False}.get(
            first.get("mLowPowerModeEnabled") or first.get("low_power", "")
        ),
        "battery": _battery(first),
        "silent": sorted(set(files["silent"]) & set(PROGRAMS)),
    }
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def _clocks(first: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Governor and clocks, by the cores that share them."""
    clocks = {}
    policies = sorted({path.rpartition("/")[0] for path in first if path.startswith(f"{_CPU}cpufreq/policy")})
    for policy in policies:
        cores = _told(first.get(f"{policy}/related_cpus", ""))
        governor = first.get(f"{policy}/scaling_governor")
        clocks[cores or _told(policy.rpartition("/")[2])] = {
            "governor": None if governor is None else _told(governor),
            "now_mhz": _mhz(first.get(f"{policy}/scaling_cur_freq", "")),
            "limit_mhz": _mhz(first.get(f"{policy}/scaling_max_freq", "")),
            "max_mhz": _mhz(first.get(f"{policy}/cpuinfo_max_freq", "")),
        }
    return clocks


def _temperatures(first: dict[str, str]) -> dict[str, float]:
    found = {}
    for path in sorted(first):
        if path.startswith("sys/class/thermal/") and path.endswith("/temp"):
            zone = path.removesuffix("/temp")
            if (celsius := degrees(first[path])) is not None:
                found[_told(f"{zone.rpartition('/')[2]} {first.get(f'{zone}/type', '')}")] = celsius
    return found


def _battery(first: dict[str, str]) -> dict[str, Any]:
    """Charge in percent, temperature, and what it gives; the last two mean nothing while it is charged by USB."""
    folder = "sys/class/power_supply/battery"
    tenths, current, voltage = (
        number(first.get(f"{folder}/{key}", "")) for key in ("temp", "current_now", "voltage_now")
    )
    found = {
        "percent": number(first.get(f"{folder}/capacity", "")),
        "status": _told(first.get(f"{folder}/status", "")) or None,
        "temperature_c": None if tenths is None else tenths / 10,
        "current_ma": None if current is None else current / 1000,
        "voltage_v": None if voltage is None else voltage / 1e6,
    }
    return {key: value for key, value in found.items() if value is not None}


def _by_core(first: dict[str, str], ending: str) -> dict[str, int]:
    """Whole numbers that each core has, by its name."""
    found = {}
    for path, text in first.items():
        name, value = path.removeprefix(_CPU).partition("/")[0], whole(text)
        if (
            value is not None
            and path.startswith(f"{_CPU}cpu")
            and path.endswith(ending)
            and whole(name[3:]) is not None
        ):
            found[name] = value
    return dict(sorted(found.items(), key=lambda item: int(item[0][3:])))


def _fields(lines: list[str]) -> dict[str, str]:
    """Lines of the form `key: value`; of a key that comes more than once, the last."""
    split = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in split}


def _first(fields: dict[str, str], *keys: str) -> str:
    return next((fields[key] for key in keys if key in fields), "")


def _kilobytes(text: str | None) -> int | None:
    found = whole((text or "").removesuffix("kB"))
    return None if found is None else found * 1024


def _mhz(text: str) -> float | None:
    """A clock, which the kernel writes in kHz."""
    found = number(text)
    return None if found is None or not 0 < found <= 1000 * MAX_MHZ else found / 1000


def _throttled(first: dict[str, str]) -> str:
    """The Pi's word in hexadecimal, by its kernel or `vcgencmd`, which both may say that they cannot tell."""
    word = first.get("firmware/get_throttled", "") or first.get("vcgencmd", "").removeprefix("throttled=")
    found = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{1,8})", word)
    return found[1] if found else ""


def _told(text: str) -> str:
    """What a device says in words: bounded, and without what could move a terminal's cursor."""
    return "".join(character for character in text if character.isprintable()).strip()[:MAX_TEXT]
