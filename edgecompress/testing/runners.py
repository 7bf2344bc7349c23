"""A runner without a device around it, and what is asked of it."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import select
import sys
import time
from pathlib import Path

from edgecompress.devices.wire.client import start, stop
from edgecompress.native.build import SOURCES, build_runner
from edgecompress.native.libraries import library_file, library_for

RUNNERS = ("native", "python")
REFUSED, TOO_LATE, CRASHED = 3, 5, 6
ENDS_WITHIN_S = 10  # far above the few milliseconds that it takes, far below a request that a runner might sit out


def words(runner, path, *options):
    runtime = {".tflite": "litert", ".onnx": "onnx"}[Path(path).suffix]
    command = [sys.executable, str(SOURCES / "runner.py")]
    if runner == "native":
        library = library_for(runtime, platform.machine(), device="local")
        command = [str(build_runner(platform.machine())), "--library", str(library_file(library))]
    return [*command, "--runtime", runtime, "--model", str(path), *map(str, options)]


class Running:
    """A runner without a transport around it, so that the first process is the supervisor."""

    def __init__(self, runner, path, *options):
        self._child = start(words(runner, path, *options))
        self._unread = b""

    @property
    def client_pid(self):
        return self._child.pid

    def send(self, request):
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(f"{request}\n".encode())
            self._child.stdin.flush()

    def receive(self, *, timeout_s):
        """The next line, or None if there is no other."""
        deadline, output = time.monotonic() + timeout_s, self._child.stdout.fileno()
        while b"\n" not in self._unread:
            assert select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0], "no answer"
            data = os.read(output, 1 << 16)
            if not data:
                return None
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line.decode()

    def finish(self):
        stop(self._child, timeout_s=5)

    def answer(self):
        line = self.receive(timeout_s=60)
        return None if line is None else json.loads(line)

    def ask(self, request):
        self.send(request)
        return self.answer()

    @property
    def worker_pid(self):
        children = Path(f"/proc/{self.client_pid}/task/{self.client_pid}/children")
        wait_until(children.read_text)  # it may not have been started yet
        return int(children.read_text())

    def close_input(self):
        self._child.stdin.close()

    def status(self):
        return self._child.wait(timeout=ENDS_WITHIN_S)


@contextlib.contextmanager
def running(runner, path, *options):
    started = Running(runner, path, *options)
    try:
        yield started
    finally:
        started.finish()


def wait_until(condition):
    deadline = time.monotonic() + ENDS_WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)
