"""This machine, reached like any other device, but without copies."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.devices.wire.client import Finished
from edgecompress.devices.wire.copying import OnBytes
from edgecompress.devices.wire.greeting import Greeting
from edgecompress.devices.wire.limits import FORMS
from edgecompress.devices.wire.transport import PROTOCOL, Transport
from edgecompress.errors import DeviceError


class LocalTransport(Transport):
    """Commands run in `sh` on this machine, each in one of its own."""

    keeps_shell = False

    def __init__(self, folder: Path | None = None) -> None:
        self.address = Address("local")
        cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self._folder = str(folder or cache_folder / "edgecompress/device" / PROTOCOL)

    @property
    def greeting(self) -> Greeting:
        """What this machine's shell has for us, as far as a device is asked for it."""
        bits = 64 if sys.maxsize > 2**32 else 32
        return Greeting(str(Path.home()), os.getuid(), _limit(), "sha256sum", bits)

    @property
    def folder(self) -> str:
        """Where a device's files would lie; this machine's own are used where they are."""
        return self._folder

    def entry(self) -> list[str]:
        """Return the shell itself."""
        return ["/bin/sh"]

    def refusal(self, finished: Finished) -> DeviceError | None:
        """A shell on this machine does not fail by itself."""
        return None

    def push(self, source: Path, target: str, *, on_bytes: OnBytes = lambda done, total: None) -> None:
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


@cache
def _limit() -> str:
    """The form of `timeout` that this machine has."""
    for form in filter(None, FORMS):
        words = [*form.split(), "5", "true"]
        if shutil.which(words[0]) and not subprocess.run(words, capture_output=True, check=False).returncode:
            return form
    return ""
