"""A running command on a device: lines to it, lines from it."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from typing import TYPE_CHECKING

from edgecompress.devices.wire.client import GRACE_S, MAX_OUTPUT_BYTES, Finished, start, stop
from edgecompress.devices.wire.limits import TIMED_OUT
from edgecompress.errors import DeviceError

if TYPE_CHECKING:
    from edgecompress.devices.wire.transport import Transport


class Conversation:
    """A running command on a device: lines to it, lines from it; it ends when its input closes."""

    def __init__(self, transport: Transport, command: list[str]) -> None:
        self._transport = transport
        self._child = start(command)
        assert self._child.stdin and self._child.stdout and self._child.stderr
        for pipe in (self._child.stdout, self._child.stderr):
            os.set_blocking(pipe.fileno(), False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._child.stdout, selectors.EVENT_READ, "stdout")
        self._selector.register(self._child.stderr, selectors.EVENT_READ, "stderr")
        self._unread = bytearray()
        self._said = bytearray()  # the end of standard error

    @property
    def client_pid(self) -> int:
        """The process on this host."""
        return self._child.pid

    def send(self, line: str) -> None:
        """Write a line; that the other side has gone shows when an answer is awaited."""
        assert self._child.stdin
        try:
            self._child.stdin.write(f"{line}\n".encode())
            self._child.stdin.flush()
        except OSError:
            return

    def receive(self, *, timeout_s: float) -> str | None:
        """Return the next line, or None if the command ended.

        Raises DeviceError if the device went away, says nothing for `timeout_s`, or says too much.
        """
        deadline = time.monotonic() + timeout_s
        searched = 0
        while (end := self._unread.find(b"\n", searched)) < 0:
            searched = len(self._unread)
            if not self._selector.get_map():
                self._see_how_it_ended()
                return None
            ready = self._selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise DeviceError(f"{self._transport.address} gave no answer within {timeout_s:g} s.")
            for key, _ in ready:
                self._read(key)
            if len(self._unread) > MAX_OUTPUT_BYTES:
                raise DeviceError(f"{self._transport.address} answered with more than {MAX_OUTPUT_BYTES} bytes.")
        line = bytes(self._unread[:end])
        del self._unread[: end + 1]
        return line.decode(errors="replace")

    def stderr_end(self) -> str:
        """The end of what the command said on standard error so far."""
        return self._said.decode(errors="replace")

    def finish(self, *, timeout_s: float = 5) -> None:
        """Close its input and wait until it has ended; then kill the client, if it has not."""
        stop(self._child, timeout_s=timeout_s)
        self._selector.close()

    def _read(self, key: selectors.SelectorKey) -> None:
        data = os.read(key.fd, 1 << 16)
        if not data:
            self._selector.unregister(key.fileobj)
        elif key.data == "stdout":
            self._unread += data
        else:
            self._said = (self._said + data)[-4096:]

    def _see_how_it_ended(self) -> None:
        try:
            status = self._child.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired as error:
            raise DeviceError(f"A command on {self._transport.address} closed its outputs, and goes on.") from error
        if explained := self._transport.refusal(Finished(status, "", self.stderr_end())):
            raise explained
        if status == TIMED_OUT:
            raise DeviceError(f"{self._transport.address} ended the command: its time was up.")
