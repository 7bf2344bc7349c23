"""A board through the real OpenSSH client, which knows the user's configuration, keys, agents and jump hosts."""

from __future__ import annotations

import tempfile
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.devices.answers import whole
from edgecompress.devices.ways.adb_refusals import copy_error
from edgecompress.devices.ways.ssh_login import read_login
from edgecompress.devices.ways.ssh_refusals import known, refusal
from edgecompress.devices.wire.client import Finished, execute, last_line
from edgecompress.devices.wire.transport import PROTOCOL, Transport
from edgecompress.errors import DeviceError

FOLDER = f".cache/edgecompress/{PROTOCOL}"  # below the home folder, where ssh and sftp both begin
CLIENT_FAILED = 255  # ssh's exit status for its own errors
COPY_TIMEOUT_S = 300
FULL_KIB = 64
SOCKETS = "/tmp"  # a socket's path must be short, which TMPDIR need not be


class SshTransport(Transport):
    """One host; its connection is opened once and shared by every command (ControlMaster)."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.folder = FOLDER
        self._login = read_login(address)
        self._scratch = tempfile.TemporaryDirectory(
            prefix="edgecompress-", dir=SOCKETS if Path(SOCKETS).is_dir() else None
        )
        self._options = self._login.options(f"{self._scratch.name}/master")

    def client(self, command: str) -> list[str]:
        """Return `ssh` without a terminal."""
        port = ["-p", str(self.address.port)] if self.address.port else []
        return ["ssh", "-T", *self._options, *port, "--", self.address.target, command]

    def refusal(self, finished: Finished) -> DeviceError | None:
        """Turn ssh's own words into a sentence; a command of the device that ends with 255 has none of them."""
        if finished.status != CLIENT_FAILED:
            return None
        return refusal(finished.stderr, self._login)

    def push(self, source: Path, target: str) -> None:
        """Copy a file with `scp`, over sftp: no shell on the device sees the name."""
        self._copy(str(source.resolve()), self._remote(target))

    def pull(self, source: str, target: Path) -> None:
        """Copy a file with `scp`, over sftp."""
        self._copy(self._remote(source), str(target.resolve()))

    def close(self) -> None:
        """End the shared connection."""
        port = ["-p", str(self.address.port)] if self.address.port else []
        if not self._login.has_master:  # which is the user's to end
            execute(["ssh", *self._options, *port, "-O", "exit", "--", self.address.target], timeout_s=10, what="ssh")
        self._scratch.cleanup()

    def _remote(self, path: str) -> str:
        user, at, host = self.address.target.rpartition("@")
        return f"{user}{at}[{host}]:{path}" if ":" in host else f"{self.address.target}:{path}"

    def _copy(self, source: str, target: str) -> None:
        port = ["-P", str(self.address.port)] if self.address.port else []
        options = [word for word in self._options if "SessionType" not in word]  # which is sftp here
        command = ["scp", "-q", "-s", *options, *port, "--", source, target]
        finished = execute(command, timeout_s=COPY_TIMEOUT_S, what=str(self.address))
        if finished.status:
            reason = finished.stderr
            if not known(reason, self._login) and self._is_full():
                reason = "No space left on device"  # sftp says no more than "Failure"
            raise copy_error(self.address, last_line(reason), known(reason, self._login))

    def _is_full(self) -> bool:
        lines = self.shell('df -Pk "$1" 2>/dev/null', self.folder).stdout.splitlines()
        free_kib = whole("".join(lines[-1].split()[3:4])) if lines else None
        return free_kib is not None and free_kib < FULL_KIB
