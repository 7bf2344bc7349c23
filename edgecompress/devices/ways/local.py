"""This machine, reached like any other device, but without copies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.devices.wire.client import Finished
from edgecompress.devices.wire.transport import PROTOCOL, Transport
from edgecompress.errors import DeviceError


class LocalTransport(Transport):
    """Commands run in `sh` on this machine."""

    def __init__(self, folder: Path | None = None) -> None:
        self.address = Address("local")
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.folder = str(folder or cache / "edgecompress/device" / PROTOCOL)

    def client(self, command: str) -> list[str]:
        """Return the shell itself."""
        return ["/bin/sh", "-c", command]

    def refusal(self, finished: Finished) -> DeviceError | None:
        """A shell on this machine does not fail by itself."""
        return None

    def push(self, source: Path, target: str) -> None:
        """Copy a file."""
        self._copy(source, target)

    def pull(self, source: str, target: Path) -> None:
        """Copy a file."""
        self._copy(source, target)

    def _copy(self, source: str | Path, target: str | Path) -> None:
        try:
            shutil.copyfile(source, target)
        except OSError as error:
            raise DeviceError(f"Cannot copy to '{target}' on {self.address}: {error.strerror}.") from error
