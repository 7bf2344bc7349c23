"""A client program that carries scripts to a device's shell, and what they say back."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Sequence

from edgecompress.devices.wire.client import MAX_OUTPUT_BYTES, start, stop
from edgecompress.devices.wire.marks import Marked, framed, new_token
from edgecompress.errors import DeviceError

CHUNK_BYTES = 1 << 16
SETTLE_S = 1.0


class Channel:
    """One client, ending in a `sh` that reads its input; nothing of it is ever waited for without a limit."""

    def __init__(self, command: Sequence[str], device: str) -> None:
        self._device = device
        self._child = start(command)
        assert self._child.stdin and self._child.stdout and self._child.stderr
        self._input = self._child.stdin.fileno()
        self._unsent = bytearray()
        self._closing = False  # of the input, once all is sent
        self._selector = selectors.DefaultSelector()
        os.set_blocking(self._input, False)
        for pipe, name in ((self._child.stdout, "out"), (self._child.stderr, "err")):
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe.fileno(), selectors.EVENT_READ, name)
        self._outputs = 2  # that are open

    def carry(self, script: str, *, listens: bool = False, ends: bool = True) -> None:
        """Have the shell run a script; nothing else may be sent before it has begun."""
        token = new_token()
        self.marks = {"out": Marked(token), "err": Marked(token)}
        self.said = {"out": bytearray(), "err": bytearray()}  # between the marks, and not yet taken
        self.send(os.fsencode(framed(script, token, listens=listens, ends=ends)))

    @property
    def pid(self) -> int:
        """The process on this host."""
        return self._child.pid

    @property
    def begun(self) -> bool:
        """Whether the shell has begun with the script."""
        return self.marks["out"].begun

    @property
    def status(self) -> int | None:
        """The exit status of the script, once it has ended."""
        return self.marks["out"].status

    @property
    def closed(self) -> bool:
        """Whether the client has closed its outputs, so that nothing more can come."""
        return not self._outputs

    def send(self, data: bytes) -> None:
        """Write, now or while waiting; that the other side has gone shows when an answer is awaited."""
        self._unsent += data
        self._write()

    def close_input(self) -> None:
        """Let the other side see the end of its input, once everything is sent."""
        self._closing = True
        self._write()

    def wait(self, deadline_s: float) -> bool:
        """Wait for something to happen, and deal with it; False if nothing does until then.

        Raises:
            DeviceError: the device says too much.
        """
        ready = self._selector.select(max(0.0, deadline_s - time.monotonic()))
        for key, _ in ready:
            if key.data == "in":
                self._write()
            elif data := os.read(key.fd, CHUNK_BYTES):
                self.said[key.data] += self.marks[key.data].feed(data)
                if len(self.said[key.data]) > MAX_OUTPUT_BYTES:
                    raise DeviceError(f"{self._device} answered with more than {MAX_OUTPUT_BYTES} bytes.")
            else:
                self._selector.unregister(key.fd)
                self._outputs -= 1
        return bool(ready)

    def settle(self) -> None:
        """Once the script has ended, take the rest of its errors, for which some programs' children keep it waiting."""
        deadline = time.monotonic() + SETTLE_S
        while self.marks["err"].status is None and not self.closed and self.wait(deadline):
            pass

    def exit_status(self, *, timeout_s: float) -> int | None:
        """Wait for the client itself to end; None if it does not."""
        deadline = time.monotonic() + timeout_s
        while (status := self._child.poll()) is None and time.monotonic() < deadline:
            time.sleep(0.005)
        return status

    def end(self, *, timeout_s: float) -> None:
        """Close its input and wait until it has ended; then kill the client, if it has not."""
        self._unsent.clear()
        self._selector.close()
        stop(self._child, timeout_s=timeout_s)

    def _write(self) -> None:
        child_input = self._child.stdin
        assert child_input
        if child_input.closed:
            return
        watched = self._input in self._selector.get_map()
        try:
            while self._unsent:
                del self._unsent[: os.write(self._input, self._unsent[:CHUNK_BYTES])]
        except BlockingIOError:
            if not watched:
                self._selector.register(self._input, selectors.EVENT_WRITE, "in")
            return
        except OSError:
            self._unsent.clear()
        if watched:
            self._selector.unregister(self._input)
        if self._closing:
            child_input.close()
