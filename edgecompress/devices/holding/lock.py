"""One measurement at a time on a device, whoever asks it by whatever name: a lock of the device's own kernel.

It lies on a folder that every system has, and no file is made for it. A process on the device holds it, and loses it
when it ends: with us, with the connection, or killed.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from edgecompress.devices.answers import whole
from edgecompress.devices.holding.leftovers import end_earlier
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire.conversation import Conversation
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError

LONGEST_WAIT_S = 3600.0
LONGEST_HELD_S = 24 * 3600.0
ANSWER_TIMEOUT_S = 60.0
END_TIMEOUT_S = 5.0
POLL_S = 0.2
NOT_LOCKED = "it cannot be locked: another edgecompress may have measured on it at the same time"

# What follows hold a lock in the same way: they say "busy" every second, then "held PID", and then a line now and then,
# so that a server notices that its network is gone; they end with their input. They say "none" if they cannot.
# $0: a token, to be found in the list of processes; then folders.
_SHELL = r"""
command -v flock >/dev/null 2>&1 || { echo none; exit; }
for folder in "$@"; do
  [ -r "$folder" ] || continue
  exec 3<"$folder"
  until said=$(flock -n 0 <&3 2>&1); do
    [ -z "$said" ] || continue 2
    echo busy || exit
    sleep 1 3<&- </dev/null || break 2
  done
  echo "held $$"
  ( while sleep 20 >/dev/null; do echo; done ) 2>/dev/null </dev/null 3<&- & ticker=$!
  while read -r line; do :; done
  kill $ticker
  exit
done
echo none
"""
_PYTHON = """
import fcntl, os, select, sys
def waits(seconds):
    return not select.select([0], [], [], seconds)[0] or os.read(0, 256)
for folder in sys.argv[2:]:
    try:
        handle = os.open(folder, os.O_RDONLY)
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                print("busy", flush=True)
                waits(1) or sys.exit()
    except OSError:
        continue
    print("held", os.getpid(), flush=True)
    while waits(20):
        print(flush=True)
    sys.exit()
print("none")
"""

Holder = Callable[[Transport], str | None]  # brings a program onto a device that holds a lock; None: there is none


@contextmanager
def reserved(
    transport: Transport, *, holder: Holder = lambda _: None, on_wait: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Keep a device to ourselves: whoever measures on it meanwhile waits, and calls `on_wait`.

    A device that cannot be locked has that in its `notes`. `holder` is asked where it has no `flock`.

    Raises:
        DeviceError: it was not free for an hour, or cannot be reached.
    """
    if isinstance(transport, LocalTransport):  # an emulated processor's load, too, is this machine's
        with _reserved_here(transport, on_wait):
            yield
        return
    lock = _Lock(transport, holder, on_wait)
    try:
        lock.take()
        transport.on_return.append(lock.take)
        yield
    finally:
        with suppress(ValueError):
            transport.on_return.remove(lock.take)
        lock.let_go()


class _Lock:
    """The lock of a device that is talked to."""

    def __init__(self, transport: Transport, holder: Holder, on_wait: Callable[[], None]) -> None:
        self._transport, self._holder, self._on_wait = transport, holder, on_wait
        self._token = secrets.token_hex(8)
        self._pid: int | None = None
        self._is_ours = False
        self._conversation: Conversation | None = None

    def take(self) -> None:
        """Wait until it is ours; after a lost connection, the one that it leaves behind is ended first."""
        self.let_go()
        if self._pid is not None:
            end_earlier(self._transport, self._pid, self._token)
        folders = self._transport.lock_folders
        if self._holds(["sh", "-c", _SHELL, self._token, *folders]):
            return
        if (program := self._holder(self._transport)) and self._holds([program, self._token, *folders]):
            return
        if self._holds(["python3", "-c", _PYTHON, self._token, *folders]):
            return
        if NOT_LOCKED not in self._transport.notes:
            self._transport.notes.append(NOT_LOCKED)

    def let_go(self) -> None:
        """End the process that holds it."""
        if self._conversation:
            conversation, self._conversation = self._conversation, None
            conversation.finish(timeout_s=END_TIMEOUT_S if self._is_ours else 0)  # else it hears of its end too late
            self._is_ours = False

    def _holds(self, words: list[str]) -> bool:
        """Whether a process of these words can hold it, and does."""
        deadline = time.monotonic() + LONGEST_WAIT_S
        self._conversation = self._transport.converse(words, timeout_s=LONGEST_HELD_S, doing="waiting for its turn")
        while (line := self._conversation.receive(timeout_s=ANSWER_TIMEOUT_S)) is not None:
            word, _, number = line.partition(" ")
            if word == "held":
                self._pid, self._is_ours = whole(number), True
                return True
            if word != "busy":
                break
            _wait(self._transport, deadline, self._on_wait)
        self.let_go()
        return False


@contextmanager
def _reserved_here(transport: Transport, on_wait: Callable[[], None]) -> Iterator[None]:
    for folder in transport.lock_folders:
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            break
    else:
        transport.notes.append(NOT_LOCKED)
        yield
        return
    try:
        deadline = time.monotonic() + LONGEST_WAIT_S
        while not _locked(handle):
            _wait(transport, deadline, on_wait)
            time.sleep(POLL_S)
        yield
    finally:
        os.close(handle)


def _wait(transport: Transport, deadline_s: float, on_wait: Callable[[], None]) -> None:
    on_wait()
    if time.monotonic() > deadline_s:
        raise DeviceError(
            f"Another edgecompress has been measuring on {transport.address} for an hour.",
            hint="Is it still at work? It may run on another host, or as another user.",
        )


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
