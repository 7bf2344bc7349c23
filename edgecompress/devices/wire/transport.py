"""What every way to a device can do: run a command, hold a conversation, push and pull files, close.

A transport drives a client program (`sh`, `adb`, `ssh`) that ends in a `sh` on the device, which reads scripts of
quoted words on its input. Each command has a time limit on both sides. One such shell is kept for all commands that
read nothing, so that to look at a device in the middle of a measurement costs it no login.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from edgecompress.devices.address import Address
from edgecompress.devices.wire.channel import Channel
from edgecompress.devices.wire.client import GRACE_S, Finished
from edgecompress.devices.wire.conversation import Conversation
from edgecompress.devices.wire.copying import OnBytes, fetch, send
from edgecompress.devices.wire.greeting import Greeting, greet
from edgecompress.devices.wire.limits import limited, was_ended
from edgecompress.devices.wire.unanswered import await_shell, noise, went_away
from edgecompress.errors import DeviceError, DeviceGone

PROTOCOL = "v1"  # of what lies in a device's folder
RETRY_EVERY_S = 2.0


class Transport(ABC):
    """A way to one device; use it in a `with` statement.

    Raises DeviceError with one clear sentence whenever the device cannot be reached, DeviceGone if it goes away.
    """

    address: Address
    keeps_shell = True
    was_in = False  # whether the device has run anything for us
    noise = ""  # the last line of what its login says besides
    lock_folders: tuple[str, ...] = ("/dev", "/data/local/tmp")  # every user's; the first that can be locked is
    _kept: Channel | None = None
    _greeting: Greeting | None = None

    @cached_property
    def notes(self) -> list[str]:
        """What a measurement on it must say."""
        return []

    @cached_property
    def on_return(self) -> list[Callable[[], object]]:
        """What holds something there, and must take it again after a lost connection."""
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def entry(self) -> list[str]:
        """Return the host's command that runs, on the device, a `sh` that reads its input."""

    @abstractmethod
    def refusal(self, finished: Finished) -> DeviceError | None:
        """Return what is wrong if the client, rather than what it ran, failed; from its status and its errors."""

    @property
    def greeting(self) -> Greeting:
        """What the device's shell has for us; asked once."""
        if self._greeting is None:
            self._greeting = greet(self)
        return self._greeting

    @property
    def folder(self) -> str:
        """Where files lie on the device, for this version of the protocol; an absolute path.

        Raises:
            DeviceError: there is no folder that can be written and executed from.
        """
        if found := self.greeting.folder:
            return f"{found}/{PROTOCOL}"
        raise DeviceError(
            f"{self.address} has no folder for our files: {self.greeting.reasons or 'none was found'}.",
            hint="Name one that can be written and executed from: `--device-folder /PATH`.",
        )

    def run(self, words: Sequence[str], *, timeout_s: float) -> Finished:
        """Run a command, given as words, and wait for it at most `timeout_s`."""
        script = limited(words, timeout_s, self.greeting.limit)
        began_s = time.monotonic()
        finished = self.ask(script, timeout_s=timeout_s + GRACE_S)
        if was_ended(finished.status, time.monotonic() - began_s, timeout_s):
            raise DeviceError(f"{self.address} did not finish `{words[0]}` within {timeout_s:g} s.")
        return finished

    def shell(self, script: str, *arguments: str, timeout_s: float = 30) -> Finished:
        """Run a shell script; `arguments` are its $1, $2, ..."""
        return self.run(["sh", "-c", script, "sh", *arguments], timeout_s=timeout_s)

    def converse(self, words: Sequence[str], *, timeout_s: float, doing: str = "a measurement") -> Conversation:
        """Start a command that reads requests and writes answers, a line each."""
        script = limited(words, timeout_s, self.greeting.limit)
        return Conversation(self, script, timeout_s=timeout_s, doing=doing)

    def push(self, source: Path, target: str, *, on_bytes: OnBytes = lambda done, total: None) -> None:
        """Copy a file of the host to a path on the device, and make its folder; it appears as a whole or not at all."""
        send(self, source, target, on_bytes)

    def pull(self, source: str, target: Path) -> None:
        """Copy a file of the device to a path on the host."""
        fetch(self, source, target)

    def ask(self, script: str, *, timeout_s: float) -> Finished:
        """Run a shell script without a limit of the device's own, and wait for it at most `timeout_s`."""
        try:
            channel = self._carried(script)
            deadline = time.monotonic() + timeout_s
            while channel.status is None:
                if channel.closed:
                    raise went_away(self, channel, "a command")
                if not channel.wait(deadline):  # its own limit, which is shorter, has not come either
                    raise DeviceGone(
                        f"{self.address} gave no answer within {timeout_s:g} s.", hint="Is it still connected?"
                    )
            channel.settle()
        except BaseException:
            self.hang_up()
            raise
        if not self.keeps_shell:
            self.hang_up(timeout_s=GRACE_S)
        out, err = (bytes(channel.said[name]).decode(errors="replace") for name in ("out", "err"))
        return Finished(channel.status, out, err)

    def reconnect(self, *, within_s: float, on_try: Callable[[], None] = lambda: None) -> None:
        """Try until the device answers again; raises what the last try did, or `on_try`, which comes before each."""
        deadline = time.monotonic() + within_s
        self.disconnect()
        while True:
            on_try()
            try:
                self.ask(":", timeout_s=GRACE_S)
                for take_again in self.on_return:
                    take_again()
                return
            except DeviceError:
                if time.monotonic() + RETRY_EVERY_S > deadline:
                    raise
                self.disconnect()
                time.sleep(RETRY_EVERY_S)

    def disconnect(self) -> None:
        """Let the connection go; the next command opens another."""
        self.hang_up(timeout_s=1)

    def close(self) -> None:
        """Let everything go."""
        self.disconnect()

    def hang_up(self, *, timeout_s: float = 0) -> None:
        """End the shell that is kept, if there is one."""
        if self._kept:
            kept, self._kept = self._kept, None
            kept.end(timeout_s=timeout_s)

    def _carried(self, script: str) -> Channel:
        """Return a shell that has begun with the script: the kept one, or else another."""
        while True:
            may_have_gone = self._kept is not None
            self._kept = self._kept or Channel(self.entry(), str(self.address))
            try:
                self._kept.carry(script, ends=not self.keeps_shell)
                await_shell(self, self._kept)
            except DeviceError:
                if not may_have_gone:
                    raise
                self.hang_up()  # it was closed while nobody looked
                continue
            self.was_in = True
            self.noise = self.noise or noise(self._kept)
            return self._kept
