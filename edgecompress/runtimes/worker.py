"""The child process that holds a runtime, `python -m edgecompress.runtimes.worker`: frames on stdin and stdout.

It may be killed at any moment, and a model file may take it over. So it gets no handle but its pipes, its memory is
bounded, and its parent believes nothing that it says without a check.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from edgecompress.runtimes.channel import Channel, ChannelClosed
from edgecompress.runtimes.session import Session, open_session

Answer = tuple[dict[str, Any], list[np.ndarray]]

MIN_ADDRESS_SPACE_BYTES = 2 << 30  # the runtimes' own libraries and stacks fit well into it
MAX_FILE_BYTES = 1 << 30  # what it may write: a log


class Worker:
    """Answers requests about one model. A request names a method of this class; anything it raises is a refusal."""

    _session: Session

    def open(self, arrays: list[np.ndarray], *, path: str, plain: bool = False) -> Answer:
        """Import the runtime, load the model, and describe it."""
        self._session = open_session(path, plain=plain)
        specs = {side: [asdict(spec) for spec in getattr(self._session, side)] for side in ("inputs", "outputs")}
        return {**specs, "runtime": self._session.runtime}, []

    def run(self, arrays: list[np.ndarray]) -> Answer:
        """Run one inference."""
        self._session.bind(arrays)
        self._session.invoke()
        return {}, self._session.read()

    def run_batch(self, arrays: list[np.ndarray]) -> Answer:
        """Run the rows of one array, one after another, and stack each output."""
        rows = []
        for index in range(len(arrays[0])):
            self._session.bind([arrays[0][index : index + 1]])
            self._session.invoke()
            rows.append(self._session.read())
        if any(len(output) != 1 for output in rows[0]):
            raise ValueError("the outputs have no batch axis of one")
        return {}, [np.concatenate(output) for output in zip(*rows, strict=True)]


def serve(channel: Channel) -> None:
    """Answer one request after another until the other end closes."""
    worker = Worker()
    with contextlib.suppress(ChannelClosed):
        while True:
            message, arrays = channel.receive()
            try:
                method: Callable[..., Answer] = getattr(worker, message.pop("request"))
                answer, outputs = method(arrays, **message)
                channel.send({"answer": answer}, outputs)
            except ChannelClosed:
                raise
            except Exception as error:
                channel.send({"refusal": str(error) or type(error).__name__})


def _claim_channel() -> Channel:
    """Take stdin and stdout for the channel; whatever else the process prints goes to stderr."""
    read_fd, write_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return Channel(read_fd, write_fd)


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, even when it is deep in a runtime's loop."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _limit_resources() -> None:
    physical_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for what, limit in (
        (resource.RLIMIT_AS, max(physical_bytes // 2, MIN_ADDRESS_SPACE_BYTES)),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (lower, lower))


def main() -> None:
    """Serve, then leave without the runtimes' destructors, which have nothing left to save."""
    _die_with_parent()
    channel = _claim_channel()
    _limit_resources()
    serve(channel)
    os._exit(0)


if __name__ == "__main__":
    main()
