"""adb's server on this host: its program, and the devices that it knows."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgecompress.devices.address import parse_address
from edgecompress.devices.answers import printable_lines
from edgecompress.devices.ways.adb_refusals import STATES, known, version_conflict
from edgecompress.devices.wire.client import execute
from edgecompress.errors import DeviceError

START_TIMEOUT_S = 20  # the first call starts adb's server

# Serials of wireless devices have blanks and parentheses: "adb-R5CT10-x1 (2)._adb-tls-connect._tcp".
_LINE = re.compile(rf"(\S.*?)\s+(device|{'|'.join(STATES)})\b(.*)")
_ANY_LINE = re.compile(r"(\S+)\s+(\S+)(.*)")
_HOMES = ("ANDROID_HOME", "ANDROID_SDK_ROOT")
_HEAD = "List of devices attached"  # before it, an old adb says that it starts its server


@dataclass(frozen=True)
class AttachedDevice:
    """A line of `adb devices -l`."""

    serial: str
    state: str  # "device" if it can be used
    model: str


@dataclass(frozen=True)
class Listing:
    """What `adb devices -l` lists, and what is wrong with the server although it works."""

    devices: tuple[AttachedDevice, ...]
    warning: str = ""


def listing() -> Listing:
    """Return what `adb devices -l` lists.

    Raises:
        DeviceError: there is no adb, or its server does not start.
    """
    finished = execute([adb_program(), "devices", "-l"], timeout_s=START_TIMEOUT_S, what="adb")
    if finished.status:
        raise known("adb", finished.stderr + finished.stdout) or DeviceError(f"adb ended with {finished.status}.")
    return Listing(tuple(_devices(finished.stdout)), version_conflict(finished.stderr + finished.stdout))


def state_hint(state: str) -> str:
    """Return what to do about a device that is in another state than "device"."""
    return STATES.get(state, "Reconnect it.")


def adb_program() -> str:
    """Return the path of adb: on PATH, in Android's SDK (ANDROID_HOME), or the one that the `adbutils` package brings.

    Raises:
        DeviceError: there is none.
    """
    if found := shutil.which("adb"):
        return found
    candidates = [Path(home) / "platform-tools/adb" for name in _HOMES if (home := os.environ.get(name))]
    spec = importlib.util.find_spec("adbutils")
    candidates += [Path(each) / "binaries/adb" for each in (spec.submodule_search_locations or () if spec else ())]
    for candidate in candidates:
        if candidate.is_file():
            return str(candidate)
    raise DeviceError("There is no adb.", hint="Install it: `sudo apt-get install adb`, or `pip install adbutils`.")


def only_serial() -> str:
    """Return the serial that ANDROID_SERIAL names, as adb itself does, or else that of the one device there is.

    Raises:
        DeviceError: there is none, or there are several.
    """
    if named := os.environ.get("ANDROID_SERIAL"):
        try:
            return parse_address(f"adb:{named}").target
        except DeviceError as error:
            raise DeviceError(f"ANDROID_SERIAL is no serial: {error.message}", hint="Unset or correct it.") from error
    attached = listing().devices
    usable = [device for device in attached if device.state == "device"]
    if len(usable) == 1:
        return usable[0].serial
    if usable:
        listed = ", ".join(f"{_name(device)} ({device.model or 'model unknown'})" for device in usable)
        hint = f"Say which, or set ANDROID_SERIAL: {listed}."
        raise DeviceError(f"{len(usable)} Android devices are connected.", hint=hint)
    if attached:
        device = attached[0]
        raise DeviceError(f"adb:{device.serial} is {device.state}.", hint=state_hint(device.state))
    raise DeviceError("No Android device is connected.", hint="Enable USB debugging on it, and look at `adb devices`.")


def _devices(listed: str) -> Iterator[AttachedDevice]:
    _, _, after = "\n".join(printable_lines(listed)).partition(_HEAD)
    for line in after.splitlines():
        if found := _LINE.fullmatch(line) or _ANY_LINE.fullmatch(line):
            model = next((word[6:] for word in found[3].split() if word.startswith("model:")), "")
            yield AttachedDevice(found[1], found[2], model)


def _name(device: AttachedDevice) -> str:
    return shlex.quote(f"adb:{device.serial}")  # as the user has to type it
