"""adb's server on this host: its program, and the devices that it knows."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgecompress.devices.ways.adb_refusals import STATES
from edgecompress.devices.wire.client import execute, last_line
from edgecompress.errors import DeviceError

START_TIMEOUT_S = 20  # the first call starts adb's server


@dataclass(frozen=True)
class AttachedDevice:
    """A line of `adb devices -l`."""

    serial: str
    state: str  # "device" if it can be used
    model: str


def attached_devices() -> list[AttachedDevice]:
    """Return what `adb devices -l` lists.

    Raises:
        DeviceError: there is no adb, or its server does not start.
    """
    finished = execute([adb_program(), "devices", "-l"], timeout_s=START_TIMEOUT_S, what="adb")
    if finished.status:
        raise DeviceError(f"adb failed: {last_line(finished.stderr)}.")
    found = []
    for line in finished.stdout.splitlines()[1:]:
        serial, _, rest = line.partition(" ")
        if rest.strip():
            state = next((state for state in STATES if rest.strip().startswith(state)), rest.split()[0])
            model = next((word[6:] for word in rest.split() if word.startswith("model:")), "")
            found.append(AttachedDevice(serial, state, model))
    return found


def state_hint(state: str) -> str:
    """Return what to do about a device that is in another state than "device"."""
    return STATES.get(state, "Reconnect it.")


def adb_program() -> str:
    """Return the path of adb: on PATH, or else the one that the `adbutils` package brings.

    Raises:
        DeviceError: there is none.
    """
    if found := shutil.which("adb"):
        return found
    spec = importlib.util.find_spec("adbutils")
    for folder in spec.submodule_search_locations or () if spec else ():
        bundled = Path(folder) / "binaries" / "adb"
        if bundled.is_file():
            return str(bundled)
    raise DeviceError("There is no adb.", hint="Install it: `sudo apt-get install adb`, or `pip install adbutils`.")


def only_serial() -> str:
    """Return the serial of the one device that is attached.

    Raises:
        DeviceError: there is none, or there are several.
    """
    attached = attached_devices()
    usable = [device for device in attached if device.state == "device"]
    if len(usable) == 1:
        return usable[0].serial
    if usable:
        listed = ", ".join(f"adb:{device.serial} ({device.model or 'model unknown'})" for device in usable)
        raise DeviceError(f"{len(usable)} Android devices are connected.", hint=f"Say which: {listed}.")
    if attached:
        device = attached[0]
        raise DeviceError(f"adb:{device.serial} is {device.state}.", hint=state_hint(device.state))
    raise DeviceError("No Android device is connected.", hint="Enable USB debugging on it, and look at `adb devices`.")
