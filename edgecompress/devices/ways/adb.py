"""An Android device through the real `adb` client."""

from __future__ import annotations

from dataclasses import replace

from edgecompress.devices.address import Address
from edgecompress.devices.ways.adb_refusals import known
from edgecompress.devices.ways.adb_server import adb_program, only_serial
from edgecompress.devices.wire.client import Finished
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError


class AdbTransport(Transport):
    """One attached device; every call names its serial."""

    def __init__(self, address: Address) -> None:
        self._adb = adb_program()
        self.address = replace(address, target=address.target or only_serial())

    def entry(self) -> list[str]:
        """Return `adb shell` without a terminal."""
        return [self._adb, "-s", self.address.target, "shell", "-T", "exec sh"]

    def refusal(self, finished: Finished) -> DeviceError | None:
        """Recognize adb's own words, which begin with "adb:" or "error:"."""
        return None if finished.status == 0 else known(self.address, finished.stderr)
