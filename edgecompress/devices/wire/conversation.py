"""A running command on a device: lines to it, lines from it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from edgecompress.devices.wire.channel import Channel
from edgecompress.devices.wire.limits import was_ended
from edgecompress.devices.wire.unanswered import await_shell, went_away
from edgecompress.errors import DeviceError

if TYPE_CHECKING:
    from edgecompress.devices.wire.transport import Transport

KEPT_ERROR_BYTES = 4096


class Conversation:
    """Lines there and back, until the command ends; it ends when its input closes.

    Raises DeviceError, at once, if the device does not run it.
    """

    def __init__(self, transport: Transport, script: str, *, timeout_s: float, doing: str) -> None:
        self._transport, self._timeout_s, self._doing = transport, timeout_s, doing
        self._channel = Channel(transport.entry(), str(transport.address))
        try:
            self._channel.carry(script, listens=True)
            await_shell(transport, self._channel)
        except BaseException:
            self._channel.end(timeout_s=0)
            raise
        self._began_s = time.monotonic()

    @property
    def client_pid(self) -> int:
        """The process on this host."""
        return self._channel.pid

    @property
    def status(self) -> int | None:
        """The exit status of the command, once it has ended."""
        return self._channel.status

    def send(self, line: str) -> None:
        """Write a line; that the other side has gone shows when an answer is awaited."""
        self.send_bytes(f"{line}\n".encode())

    def send_bytes(self, data: bytes) -> None:
        """Write bytes, as `send` does."""
        self._channel.send(data)

    def close_input(self) -> None:
        """Let the command see the end of its input, once everything is sent."""
        self._channel.close_input()

    def receive(self, *, timeout_s: float) -> str | None:
        """Return the next line, or None if the command ended.

        Raises DeviceError if the device says nothing for `timeout_s`, or too much; DeviceGone if it went away.
        """
        deadline = time.monotonic() + timeout_s
        unread, searched = self._channel.said["out"], 0
        while (end := unread.find(b"\n", searched)) < 0:
            searched = len(unread)
            if not self._goes_on(timeout_s, deadline):
                return None
        line = bytes(unread[:end])
        del unread[: end + 1]
        return line.decode(errors="replace")

    def receive_bytes(self, most: int, *, timeout_s: float) -> bytes:
        """Return some of the next bytes, or none if the command ended; raises as `receive` does."""
        deadline = time.monotonic() + timeout_s
        unread = self._channel.said["out"]
        while not unread:
            if not self._goes_on(timeout_s, deadline):
                return b""
        data = bytes(unread[:most])
        del unread[:most]
        return data

    def stderr_end(self) -> str:
        """The end of what the command said on standard error so far."""
        return self._channel.said["err"].decode(errors="replace")

    def finish(self, *, timeout_s: float = 5) -> None:
        """Close its input and wait until it has ended; then kill the client, if it has not."""
        self._channel.end(timeout_s=timeout_s)

    def _goes_on(self, timeout_s: float, deadline_s: float) -> bool:
        """Wait for more; whether the command may say more."""
        channel = self._channel
        del channel.said["err"][:-KEPT_ERROR_BYTES]
        if channel.status is not None:
            channel.settle()
            if was_ended(channel.status, time.monotonic() - self._began_s, self._timeout_s):
                raise DeviceError(f"{self._transport.address} ended the command: its time was up.")
            return False
        if channel.closed:
            raise went_away(self._transport, channel, self._doing)
        if not channel.wait(deadline_s):
            raise DeviceError(f"{self._transport.address} gave no answer within {timeout_s:g} s.")
        return True
