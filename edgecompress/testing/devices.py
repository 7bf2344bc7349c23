"""Devices that are folders of this machine."""

from __future__ import annotations

import os

from edgecompress.devices.address import Address
from edgecompress.devices.wire.transport import Transport


class FolderTransport(Transport):
    """A device whose home is a folder; all its commands run in `shell`."""

    def __init__(self, home, *, path=None, shell=("/bin/sh",), folder="cache of it's"):
        home.mkdir(exist_ok=True)
        self.address = Address("ssh", "board", folder=folder)
        self.home, self.path, self.sh = home, path or os.environ["PATH"], shell

    def entry(self):
        return ["env", "-C", str(self.home), f"HOME={self.home}", f"PATH={self.path}", *self.sh]

    def refusal(self, finished):
        return None
