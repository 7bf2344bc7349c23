"""What every way to a device can do: run a command, hold a conversation, push and pull files, close.

A transport drives a client program (`sh`, `adb`, `ssh`) that runs one shell command on the device. Each command is
made of quoted words, has a time limit on both sides, and dies on the device when the client goes away.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from edgecompress.devices.address import Address
from edgecompress.errors import DeviceError

GRACE_S = 5  # a client waits longer than the device does, so that the device's own word comes first
KILL_AFTER_S = 2
MAX_OUTPUT_BYTES = 64 << 20
TIMED_OUT = 124  # `timeout`'s exit status
ENDED_BY_TIMEOUT = (TIMED_OUT, 128 + signal.SIGTERM, 128 + signal.SIGKILL)  # the latter two are busybox's
PROTOCOL = "v1"  # of what lies in a device's folder

_running: set[subprocess.Popen[bytes]] = set()  # clients of every device, for `end_clients`

# A device without `timeout` (very old Android) is trusted to end by itself: the runner has a limit of its own.
_LIMITED = 'if command -v timeout >/dev/null 2>&1; then exec timeout -k "$0" "$@"; else shift; exec "$@"; fi'


@dataclass(frozen=True)
class Finished:
    """A command that ended: its exit status, and what it said."""

    status: int
    stdout: str
    stderr: str


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
    def explain(self, finished: Finished) -> DeviceError | None:
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
        if error := self.explain(finished):
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
        if explained := self._transport.explain(Finished(status, "", self.stderr_end())):
            raise explained
        if status == TIMED_OUT:
            raise DeviceError(f"{self._transport.address} ended the command: its time was up.")


def limited(words: Sequence[str], timeout_s: float) -> str:
    """Return the shell command for `words`, each quoted, which the device itself ends after `timeout_s`."""
    seconds = max(1, round(timeout_s))
    # `exec`, so that the client is `timeout` itself in the end, and dies with its group
    return f"exec {shlex.join(['sh', '-c', _LIMITED, str(KILL_AFTER_S), str(seconds), *words])}"


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a client in a process group of its own, so that Ctrl-C reaches only us, who then end it."""
    with _interrupts_held():  # a client may run, and even have spoken, before `Popen` returns
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
            )
        except OSError as error:
            raise DeviceError(f"Cannot start `{command[0]}`: {error.strerror}.", hint="Is it installed?") from error
        _running.add(child)
    return child


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let Ctrl-C take effect at the end of a step, not within."""
    heeded = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(heeded):
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heeded)
        if came:
            signal.raise_signal(signal.SIGINT)


@atexit.register
def end_clients() -> None:
    """Kill every client that runs, so that whoever waits for one goes on: with an error."""
    for child in list(_running):
        _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)


def stop(child: subprocess.Popen[bytes], *, timeout_s: float) -> None:
    """Close a child's input, wait, and kill its group if that was not enough."""
    assert child.stdin
    with contextlib.suppress(OSError):
        child.stdin.close()
    try:
        child.wait(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _kill(child)
        child.wait()
    finally:
        _running.discard(child)
    for pipe in (child.stdout, child.stderr):
        if pipe:
            pipe.close()


def execute(command: Sequence[str], *, timeout_s: float, what: str) -> Finished:
    """Run a command on the host, with nothing on its input.

    Raises:
        DeviceError: it takes longer than `timeout_s`, or is not there.
    """
    child = start(command)
    assert child.stdin and child.stdout and child.stderr
    said = {child.stdout.fileno(): bytearray(), child.stderr.fileno(): bytearray()}
    try:
        child.stdin.close()
        _read_all(said, deadline_s=time.monotonic() + timeout_s)
        child.wait(timeout=GRACE_S)
    except (TimeoutError, subprocess.TimeoutExpired) as error:
        raise DeviceError(f"{what} gave no answer within {timeout_s:g} s.", hint="Is it still connected?") from error
    except OverflowError as error:
        raise DeviceError(f"{what} answered with more than {MAX_OUTPUT_BYTES} bytes.") from error
    finally:
        if child.poll() is None:
            _kill(child)
        stop(child, timeout_s=GRACE_S)
    out, err = (bytes(each).decode(errors="replace") for each in said.values())
    return Finished(child.returncode, out, err)


def _read_all(said: dict[int, bytearray], *, deadline_s: float) -> None:
    """Read pipes until all are closed; raises TimeoutError at the deadline, OverflowError where there is too much."""
    with selectors.DefaultSelector() as selector:
        for handle in said:
            selector.register(handle, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline_s - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                if not data:
                    selector.unregister(key.fd)
                said[key.fd] += data
                if len(said[key.fd]) > MAX_OUTPUT_BYTES:
                    raise OverflowError


def last_line(text: str) -> str:
    """Return the last line of a program's words, bounded, for a sentence of ours."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300].rstrip(".") if lines else "no reason given"
