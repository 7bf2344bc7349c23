"""A board through the real OpenSSH client, which knows the user's configuration, keys, agents and jump hosts."""

from __future__ import annotations

from edgecompress.devices.address import Address
from edgecompress.devices.ways.socket_folder import SocketFolder
from edgecompress.devices.ways.ssh_login import read_login
from edgecompress.devices.ways.ssh_refusals import refusal
from edgecompress.devices.wire.client import Finished, execute
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError

CLIENT_FAILED = 255  # ssh's exit status for its own errors
END_TIMEOUT_S = 10


class SshTransport(Transport):
    """One host; its connection is opened once and shared by every command (ControlMaster)."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._login = read_login(address)
        self._port = ["-p", str(address.port)] if address.port else []
        self._sockets = SocketFolder()
        self._options = self._login.options(f"{self._sockets.path}/master")

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
        command = ["ssh", *self._options, *self._port, "-O", "exit", "--", self.address.target]
        execute(command, timeout_s=END_TIMEOUT_S, what="ssh", spared=True)

    def close(self) -> None:
        """End the shared connection for good."""
        try:
            super().close()
        finally:
            self._sockets.close()
