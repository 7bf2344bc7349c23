"""The state that a device is in: cores, clock, governor, throttling, load, screen, battery saver, heat."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from edgecompress.devices.cores import clusters, in_ranges, listed
from edgecompress.devices.holding.governor import FOLDER
from edgecompress.devices.probe import DeviceInfo
from edgecompress.devices.wire.transport import Transport
from edgecompress.profiling.conditions.standing import LIMITED, LOADED
from edgecompress.profiling.conditions.validity import throttle_word
from edgecompress.profiling.readiness.step import Step, ok, wanted, warn

_NOW, _PAST = 0xF, 0xF0000  # of the Raspberry Pi's bits
HOT = 3  # of Android's thermal status: severe
_FIXED_PERFORMANCE = 30  # Android's API level

# Whether the governor's files can be written: by this account, by a `sudo` that asks for no password. Nothing is set.
# $1: the folder of the clusters.
_MAY_SET = r"""
cd "$1" 2>/dev/null
for each in policy*/scaling_governor; do [ -w "$each" ] && echo file && exit; done
command -v sudo >/dev/null 2>&1 && sudo -n true >/dev/null 2>&1 </dev/null && echo sudo
exit 0
"""
_MAY_SET_LIMIT_S = 10
_POWER = "A stronger power supply and a heat sink or fan keep it from that."


def the_state(transport: Transport, info: DeviceInfo, look: dict[str, Any]) -> Iterator[Step]:
    """Tell what a snapshot of a device's conditions means for figures."""
    yield _cores(look)
    yield _clock(look)
    yield wanted("governor", lambda: _governor(transport, info, look))
    if not info.android:
        yield wanted("throttling", lambda: _throttling(transport, info, look))
    yield _load(look)
    if info.android:
        yield _screen(look)
        yield _battery_saver(look)
        yield _thermal_status(look)


def _cores(look: dict[str, Any]) -> Step:
    kinds = " + ".join(
        f"{len(kind.cores)}" + (f" x {kind.max_mhz:.0f} MHz" if kind.max_mhz else "") for kind in clusters(look)
    )
    there, allowed = listed(look.get("cores", "")), listed(look.get("allowed_cores", ""))
    found = kinds or (f"{len(there)}; it does not tell which are fast" if there else "it does not tell")
    if there and allowed and there - allowed:
        return warn(
            "cores",
            f"{found}, of which this account may use {in_ranges(allowed)}",
            "Look for a container, `taskset`, or a cpuset that keeps it from the others.",
        )
    return ok("cores", found)


def _clock(look: dict[str, Any]) -> Step:
    told = [(name, clock["limit_mhz"], clock["max_mhz"]) for name, clock in look.get("clocks", {}).items()]
    limits = [(name, limit, most) for name, limit, most in told if limit and most]
    for name, limit, most in limits:
        if limit < LIMITED * most:
            which = f"cores {in_ranges(listed(name))}" if listed(name) else name
            return warn(
                "clock",
                f"{which} are limited to {limit:.0f} of {most:.0f} MHz",
                "Something holds it down: scaling_max_freq, a power plan, heat, or on a Raspberry Pi too little power.",
            )
    return ok("clock", "not limited" if limits else "it does not tell")


def _governor(transport: Transport, info: DeviceInfo, look: dict[str, Any], *, folder: str = FOLDER) -> Step:
    names = sorted({clock["governor"] for clock in look.get("clocks", {}).values() if clock.get("governor")})
    if not names:
        return ok("governor", "it has none")
    found = " and ".join(names)
    if names == ["performance"]:
        return ok("governor", found)
    how = transport.shell(_MAY_SET, folder, timeout_s=_MAY_SET_LIMIT_S).stdout.strip()
    if how in ("file", "sudo"):
        return ok("governor", f"{found}; `--set-governor performance` can set it{' by sudo' if how == 'sudo' else ''}")
    level = re.search(r"\(API (\d{1,4})\)", info.system)
    if level and int(level[1]) >= _FIXED_PERFORMANCE:
        return ok("governor", f"{found}; `--set-governor performance` can fix the clocks")
    remedy = (
        "It is set by root; figures are good without, if they vary more."
        if info.android
        else "Let the account use `sudo` without a password, as Raspberry Pi OS does; figures are good without."
    )
    return warn("governor", f"{found}, and this account may not set it", remedy)


def _throttling(transport: Transport, info: DeviceInfo, look: dict[str, Any]) -> Step:
    if "throttled" in look:
        word = throttle_word(look)
        if word & _NOW:
            return warn("throttling", f"it is throttled or undervolted now (0x{word:x})", _POWER)
        if word & _PAST:
            return warn("throttling", f"it has been throttled or undervolted since it started (0x{word:x})", _POWER)
        return ok("throttling", "none")
    if "vcgencmd" in look.get("silent", []):
        return warn("throttling", "`vcgencmd` hangs, so that nobody knows", "Restart the device; update its firmware.")
    if info.model.startswith("Raspberry Pi"):
        return warn(
            "throttling",
            "this account may not read the Raspberry Pi's throttle bits",
            f"`sudo usermod -aG video {_user(transport)}` on the device, then log in anew.",
        )
    return ok("throttling", "counted by its processor" if "throttle_counts" in look else "it does not tell")


def _user(transport: Transport) -> str:
    said = transport.shell("id -un").stdout.strip()
    return said if re.fullmatch(r"[\w.@\\-]{1,64}", said) else "USER"


def _load(look: dict[str, Any]) -> Step:
    load, count = look.get("load_average"), len(listed(look.get("cores", "")))
    if not load or not count:
        return ok("load", "it does not tell")
    found = f"{load[0]:.1f} of {count}"
    if load[0] > LOADED * count:
        return warn("load", f"{found}: something else is at work", "End it (`top` shows it), or wait a minute.")
    return ok("load", found)


def _screen(look: dict[str, Any]) -> Step:
    if look.get("awake") is False:
        return warn(
            "screen",
            "off, and Android slows down what runs then: figures are invalid",
            "Unlock the phone, and keep it awake: `adb shell svc power stayon true`.",
        )
    return ok("screen", "on" if look.get("awake") else "it does not tell")


def _battery_saver(look: dict[str, Any]) -> Step:
    if look.get("battery_saver"):
        return warn("battery saver", "on, which limits the clocks: figures are invalid", "Turn it off in the settings.")
    return ok("battery saver", "off" if "battery_saver" in look else "it does not tell")


def _thermal_status(look: dict[str, Any]) -> Step:
    status = look.get("thermal_status")
    if status is not None and status >= HOT:
        return warn("thermal status", f"{status}: it is hot, and slows itself down", "Let it cool, out of its case.")
    return ok("thermal status", "it does not tell" if status is None else str(status))
