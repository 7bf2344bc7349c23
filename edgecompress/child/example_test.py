"""A service for the tests of children, which does what hostile files make libraries do."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from pathlib import Path

import numpy as np

from edgecompress.child.service import Answer, Request
from edgecompress.errors import ModelFileError


def echo(request: Request, **arguments) -> Answer:
    return {**arguments, "pid": os.getpid()}, request.arrays


def refuse(request: Request, *, error: str) -> Answer:
    if error == "ours":
        raise ModelFileError("This file is damaged.", hint="Copy it again.")
    if error == "memory":
        np.ones(2**62, np.uint8)
    raise ValueError(error)


def steps(request: Request, *, count: int) -> Answer:
    for done in range(count):
        request.on_progress("step", done, count)
    return count, []


def die(request: Request, *, how: str) -> Answer:
    os.write(2, b"INFO: chatter\nthe last thing\n")
    if how == "exit":
        os._exit(9)
    os.kill(os.getpid(), getattr(signal, how))
    return None, []


def hang(request: Request) -> Answer:
    time.sleep(600)
    return None, []


def babble(request: Request) -> Answer:
    """Write to every pipe that there is; one of them is the channel."""
    for link in list(Path("/proc/self/fd").iterdir()):
        if int(link.name) > 2 and str(link.readlink()).startswith("pipe:"):
            with contextlib.suppress(OSError):
                os.write(int(link.name), b"\xff" * 100)
    time.sleep(600)
    return None, []


def limits(request: Request) -> Answer:
    names = ("RLIMIT_AS", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_CORE")
    return {name: resource.getrlimit(getattr(resource, name))[0] for name in names}, []


def write(request: Request, *, size_bytes: int) -> Answer:
    (request.scratch / "large").write_bytes(bytes(size_bytes))
    return str(Path.cwd()), []


def large(request: Request, *, size_bytes: int) -> Answer:
    return None, [np.zeros(size_bytes, np.uint8)]


REQUESTS = {each.__name__: each for each in (echo, refuse, steps, die, hang, babble, limits, write, large)}
