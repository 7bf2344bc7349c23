"""A board through the real OpenSSH client, which knows the user's configuration, keys, agents and jump hosts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.devices.ways.ssh_login import read_login
from edgecompress.devices.ways.ssh_refusals import refusal
from edgecompress.devices.wire.client import Finished, execute
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError

CLIENT_FAILED = 255  # ssh's exit status for its own errors
SOCKETS = "/tmp"  # a socket's path must be short, which TMPDIR need not be


class SshTransport(Transport):
    """One host; its connection is opened once and shared by every command (ControlMaster)."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._login = read_login(address)
        self._port = ["-p", str(address.port)] if address.port else []
        self._scratch = tempfile.TemporaryDirectory(
            prefix="edgecompress-", dir=SOCKETS if Path(SOCKETS).is_dir() else None
        )
        self._options = self._login.options(f"{self._scratch.name}/master")

    def entry(self) -> list[str]:
        """Return `ssh` without a terminal, to a `sh` that takes the place of whatever login shell there is."""
        return ["ssh", "-T", *self._options, *self._port, "--", self.address.target, "exec sh"]

    def refusal(self, finished: Finished) -> DeviceError | None:
        """Turn ssh's own words into a sentence."""
        if finished.status != CLIENT_FAILED:
            return None
        return refusal(finished.stderr, self._login)

    def disconnect(self) -> None:
        """End the shared connection; the next command opens another."""
        super().disconnect()
        if self._login.has_master:  # which is the user's to end
            return
        execute(["ssh", *self._options, *self._port, "-O", "exit", "--", self.address.target], timeout_s=10, what="ssh")

    def close(self) -> None:
        """End the shared connection for good."""
        try:
            super().close()
        finally:
            self._scratch.cleanup()
