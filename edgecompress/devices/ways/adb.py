"""An Android device through the real `adb` client."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.devices.ways.adb_refusals import copy_error, known
from edgecompress.devices.ways.adb_server import adb_program, only_serial
from edgecompress.devices.wire.client import Finished, execute, last_line
from edgecompress.devices.wire.transport import PROTOCOL, Transport
from edgecompress.errors import DeviceError, DeviceGone

FOLDER = f"/data/local/tmp/edgecompress/{PROTOCOL}"  # the one place where a shell may write and execute
COPY_TIMEOUT_S = 300

_END = "edgecompress-end"


class AdbTransport(Transport):
    """One attached device; every call names its serial and has a time limit."""

    def __init__(self, address: Address) -> None:
        self._adb = adb_program()
        self.address = replace(address, target=address.target or only_serial())
        self.folder = FOLDER

    def finish(self, command: str, *, timeout_s: float) -> Finished:
        """See that a command came to its end: adb reports success when the connection is cut."""
        finished = super().finish(f"({command}); status=$?; echo; echo {_END}; exit $status", timeout_s=timeout_s)
        output, end, _ = finished.stdout.rpartition(f"\n{_END}")
        if end:
            return Finished(finished.status, output, finished.stderr)
        raise self.refusal(finished) or DeviceGone(
            f"{self.address} was lost in the middle of a command.", hint="Is it still connected?"
        )

    def client(self, command: str) -> list[str]:
        """Return `adb shell` without a terminal."""
        return [self._adb, "-s", self.address.target, "shell", "-T", command]

    def refusal(self, finished: Finished) -> DeviceError | None:
        """Recognize adb's own words, which begin with "adb:" or "error:"."""
        return None if finished.status == 0 else known(self.address, finished.stderr)

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
            raise copy_error(self.address, reason, known(self.address, reason))
