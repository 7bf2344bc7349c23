"""Which device it is, whatever name or way leads to it: a number of its own, of which only a hash is kept."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from edgecompress.devices.ways.emulated import EmulatedTransport
from edgecompress.devices.wire.transport import Transport

# Each answer is a line, behind a key; whatever a device lacks is simply not said.
SAY = r"""
say() { key=$1; shift; value=$("$@" 2>/dev/null | tr -d '\0' | head -n 1) && echo "$key=$value"; }
"""
QUESTIONS = r"""
[ -x /system/bin/getprop ] && say serial getprop ro.serialno
say board_serial cat /sys/firmware/devicetree/base/serial-number
say machine_id cat /etc/machine-id
say boot cat /proc/sys/kernel/random/boot_id
"""
# The machine's number comes late, since copied cards share it; the boot's last, since it lasts until the next one.
_KEYS = ("serial", "board_serial", "machine_id", "boot")
_NONE = re.compile(r"[0 ]*|unknown|uninitialized", re.IGNORECASE)
_DIGITS = 12


@dataclass(frozen=True)
class Identity:
    """A device, and the time since it was started: two names with both alike are surely one device."""

    device: str  # empty where there is nothing to tell it by
    boot: str


def identify(transport: Transport) -> Identity:
    """Ask a device which one it is; an emulated processor is none.

    Raises:
        DeviceError: it cannot be reached.
    """
    if isinstance(transport, EmulatedTransport):
        return Identity("", "")
    lines = transport.shell(f"{SAY}{QUESTIONS}exit 0").stdout[:65536].splitlines()
    answers = dict(line.split("=", 1) for line in lines if "=" in line)
    return Identity(identity_of(answers), _digest(answers.get("boot", "")))


def identity_of(answers: Mapping[str, str]) -> str:
    """Make twelve digits of the first number that the device has, or nothing."""
    numbers = (answers.get(key, "").strip() for key in _KEYS)
    return _digest(next((number for number in numbers if not _NONE.fullmatch(number)), ""))


def _digest(number: str) -> str:
    return hashlib.sha256(number.encode(errors="replace")).hexdigest()[:_DIGITS] if number else ""
