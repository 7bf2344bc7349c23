"""What every way to a device can do: run a command, hold a conversation, push and pull files, close.

A transport drives a client program (`sh`, `adb`, `ssh`) that runs one shell command on the device. Each command is
made of quoted words, has a time limit on both sides, and dies on the device when the client goes away.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from edgecompress.devices.address import Address
from edgecompress.devices.wire.client import GRACE_S, Finished, execute
from edgecompress.devices.wire.conversation import Conversation
from edgecompress.devices.wire.limits import ENDED_BY_TIMEOUT, limited
from edgecompress.errors import DeviceError

PROTOCOL = "v1"  # of what lies in a device's folder


class Transport(ABC):
    """A way to one device; use it in a `with` statement.

    Raises DeviceError with one clear sentence whenever the device cannot be reached, or goes away.
    """

    address: Address
    folder: str  # where files lie on the device, for this version of the protocol

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def client(self, command: str) -> list[str]:
        """Return the host's command that runs a shell command on the device."""

    @abstractmethod
    def refusal(self, finished: Finished) -> DeviceError | None:
        """Return what is wrong if the client, rather than the command, failed."""

    @abstractmethod
    def push(self, source: Path, target: str) -> None:
        """Copy a file of the host to a path on the device whose folder exists."""

    @abstractmethod
    def pull(self, source: str, target: Path) -> None:
        """Copy a file of the device to a path on the host."""

    def close(self) -> None:  # noqa: B027 (most have nothing to close)
        """Let the connection go."""

    def run(self, words: Sequence[str], *, timeout_s: float) -> Finished:
        """Run a command, given as words, and wait for it at most `timeout_s`."""
        began_s = time.monotonic()
        finished = self.finish(limited(words, timeout_s), timeout_s=timeout_s + GRACE_S)
        if error := self.refusal(finished):
            raise error
        if finished.status in ENDED_BY_TIMEOUT and time.monotonic() - began_s >= timeout_s:
            raise DeviceError(f"{self.address} did not finish `{words[0]}` within {timeout_s:g} s.")
        return finished

    def finish(self, command: str, *, timeout_s: float) -> Finished:
        """Run a shell command of the device to its end."""
        return execute(self.client(command), timeout_s=timeout_s, what=str(self.address))

    def shell(self, script: str, *arguments: str, timeout_s: float = 30) -> Finished:
        """Run a shell script; `arguments` are its $1, $2, ..."""
        return self.run(["sh", "-c", script, "sh", *arguments], timeout_s=timeout_s)

    def converse(self, words: Sequence[str], *, timeout_s: float) -> Conversation:
        """Start a command that reads requests and writes answers, a line each."""
        return Conversation(self, self.client(limited(words, timeout_s)))
