"""Client programs (`sh`, `adb`, `ssh`) on this host: each in a process group of its own, limited, never left behind."""

from __future__ import annotations

import atexit
import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edgecompress.errors import DeviceError

GRACE_S = 5  # a client waits longer than the device does, so that the device's own word comes first
MAX_OUTPUT_BYTES = 64 << 20

_running: set[subprocess.Popen[bytes]] = set()  # clients of every device, for `end_clients`


@dataclass(frozen=True)
class Finished:
    """A command that ended: its exit status, and what it said."""

    status: int
    stdout: str
    stderr: str


def start(command: Sequence[str], *, spared: bool = False) -> subprocess.Popen[bytes]:
    """Start a client in a session of its own, so that Ctrl-C reaches only us, and there is no terminal to ask at.

    The ssh of a jump host asks there whatever we tell ours, and would wait for ever in the background. One that is
    `spared` by `end_clients` takes its connection down.
    """
    with _interrupts_held():  # a client may run, and even have spoken, before `Popen` returns
        try:
            child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            raise DeviceError(f"Cannot start `{command[0]}`: {error.strerror}.", hint="Is it installed?") from error
        if not spared:
            _running.add(child)
    return child


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Let Ctrl-C, and what ends the command as it does, take effect at the end of a step, not within."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    heeded = {number: handler for number, handler in heeded.items() if callable(handler)}
    came: list[int] = []
    for number in heeded:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in heeded.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


@atexit.register
def end_clients() -> None:
    """Kill every client that runs, so that whoever waits for one goes on: with an error."""
    for child in list(_running):
        _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill a client and what it has started on this host, such as a `timeout`, which leaves the group."""
    import psutil

    with contextlib.suppress(psutil.Error):
        for each in psutil.Process(child.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                each.kill()
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


def execute(command: Sequence[str], *, timeout_s: float, what: str, spared: bool = False) -> Finished:
    """Run a command on the host, with nothing on its input; one that is `spared` takes a connection down.

    Raises:
        DeviceError: it takes longer than `timeout_s`, or is not there.
    """
    child = start(command, spared=spared)
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
    """Return the last line of a program's words, bounded, for a sentence of ours; no control character is in it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "".join(each for each in lines[-1][:300] if each.isprintable()).rstrip(".") if lines else "no reason given"
