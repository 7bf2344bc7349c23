"""An Android device through the real `adb` client."""

from __future__ import annotations

import importlib.util
import shutil
from dataclasses import dataclass
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.devices.transport import PROTOCOL, Finished, Transport, execute, last_line
from edgecompress.errors import DeviceError

FOLDER = f"/data/local/tmp/edgecompress/{PROTOCOL}"  # the one place where a shell may write and execute
COPY_TIMEOUT_S = 300
START_TIMEOUT_S = 20  # the first call starts adb's server

_END = "edgecompress-end"
_STATES = {
    "unauthorized": "Unlock it and allow USB debugging for this computer.",
    "offline": "Reconnect the cable, or run `adb reconnect offline`.",
    "recovery": "Boot it into Android.",
    "no permissions": "Give yourself access to the USB device (udev rules), then run `adb kill-server`.",
}


@dataclass(frozen=True)
class AttachedDevice:
    """A line of `adb devices -l`."""

    serial: str
    state: str  # "device" if it can be used
    model: str


class AdbTransport(Transport):
    """One attached device; every call names its serial and has a time limit."""

    def __init__(self, address: Address) -> None:
        self._adb = adb_program()
        serial = address.target or _only_serial()
        self.address = Address("adb", serial)
        self.folder = FOLDER

    def finish(self, command: str, *, timeout_s: float) -> Finished:
        """See that a command came to its end: adb reports success when the connection is cut."""
        finished = super().finish(f"({command}); status=$?; echo; echo {_END}; exit $status", timeout_s=timeout_s)
        output, end, _ = finished.stdout.rpartition(f"\n{_END}")
        if end:
            return Finished(finished.status, output, finished.stderr)
        raise self.explain(finished) or DeviceError(
            f"{self.address} was lost in the middle of a command.", hint="Is it still connected?"
        )

    def client(self, command: str) -> list[str]:
        """Return `adb shell` without a terminal."""
        return [self._adb, "-s", self.address.target, "shell", "-T", command]

    def explain(self, finished: Finished) -> DeviceError | None:
        """Recognize adb's own words, which begin with "adb:" or "error:"."""
        lines = (line.strip() for line in finished.stderr.splitlines())
        words = next((line for line in lines if line.startswith(("adb: ", "error: "))), "")[:300].rstrip(".")
        if finished.status == 0 or not words:
            return None
        for state, hint in _STATES.items():
            if state in words:
                return DeviceError(f"{self.address} is {state}.", hint=hint)
        if "not found" in words:
            return DeviceError(f"{self.address} is not connected.", hint="`edgecompress devices` lists what is.")
        return DeviceError(f"{self.address} was lost: {words.partition(': ')[2]}.", hint="Is it still connected?")

    def push(self, source: Path, target: str) -> None:
        """Copy a file with `adb push`."""
        self._copy(["push", str(source), target])

    def pull(self, source: str, target: Path) -> None:
        """Copy a file with `adb pull`."""
        self._copy(["pull", source, str(target)])

    def _copy(self, words: list[str]) -> None:
        command = [self._adb, "-s", self.address.target, *words]
        finished = execute(command, timeout_s=COPY_TIMEOUT_S, what=str(self.address))
        if finished.status:
            said = finished.stderr + finished.stdout  # adb 29 says some of its errors on standard output
            reason = last_line("\n".join(line for line in said.splitlines() if "error:" in line or "adb:" in line))
            raise copy_error(self.address, reason, self.explain(Finished(finished.status, "", reason)))


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
            state = next((state for state in _STATES if rest.strip().startswith(state)), rest.split()[0])
            model = next((word[6:] for word in rest.split() if word.startswith("model:")), "")
            found.append(AttachedDevice(serial, state, model))
    return found


def state_hint(state: str) -> str:
    """Return what to do about a device that is in another state than "device"."""
    return _STATES.get(state, "Reconnect it.")


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


def copy_error(address: Address, reason: str, known: DeviceError | None) -> DeviceError:
    """Return the sentence for a copy that failed: the disk, the folder, or the connection."""
    if "No space left" in reason:
        hint = f"Make room, for example with `edgecompress devices clean --on {address}`."
        return DeviceError(f"The disk of {address} is full.", hint=hint)
    if "Read-only" in reason or "Permission denied" in reason or "permission denied" in reason:
        return DeviceError(f"The folder for files on {address} cannot be written: {reason}.")
    return known or DeviceError(f"Copying to or from {address} failed: {reason}.", hint="Is it still connected?")


def _only_serial() -> str:
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
