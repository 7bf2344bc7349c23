"""A board through the real OpenSSH client, which knows the user's configuration, keys, agents and jump hosts."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.devices.ways.ssh_refusals import known
from edgecompress.devices.wire.client import Finished, execute, last_line
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError

CLIENT_FAILED = 255  # ssh's exit status for its own errors
CONNECT_TIMEOUT_S = 10
SOCKETS = "/tmp"  # a socket's path must be short, which TMPDIR need not be


class SshTransport(Transport):
    """One host; its connection is opened once and shared by every command (ControlMaster)."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._port = ["-p", str(address.port)] if address.port else []
        self._scratch = tempfile.TemporaryDirectory(
            prefix="edgecompress-", dir=SOCKETS if Path(SOCKETS).is_dir() else None
        )
        # The user's own configuration otherwise; this names another one, as GIT_SSH_COMMAND does for git.
        config = os.environ.get("EDGECOMPRESS_SSH_CONFIG")
        self._options = [
            *(("-F", config) if config else ()),
            *("-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}", "-o", "Compression=yes"),
            # What a user's configuration may say for this host, and would take the place of our shell.
            *("-o", "RemoteCommand=none", "-o", "RequestTTY=no", "-o", "PermitLocalCommand=no"),
            *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"),
            *("-o", "ControlMaster=auto", "-o", f"ControlPath={self._scratch.name}/master"),
            *("-o", "ControlPersist=60", "-o", "ForwardX11=no", "-o", "ClearAllForwardings=yes"),
        ]

    def entry(self) -> list[str]:
        """Return `ssh` without a terminal, to a `sh` that takes the place of whatever login shell there is."""
        return ["ssh", "-T", *self._options, *self._port, "--", self.address.target, "exec sh"]

    def refusal(self, finished: Finished) -> DeviceError | None:
        """Turn ssh's own words into a sentence."""
        if finished.status != CLIENT_FAILED:
            return None
        return known(self.address, finished.stderr) or DeviceError(
            f"The connection to {self.address} was lost: {last_line(finished.stderr)}."
        )

    def disconnect(self) -> None:
        """End the shared connection; the next command opens another."""
        super().disconnect()
        execute(["ssh", *self._options, *self._port, "-O", "exit", "--", self.address.target], timeout_s=10, what="ssh")

    def close(self) -> None:
        """End the shared connection for good."""
        try:
            super().close()
        finally:
            self._scratch.cleanup()
