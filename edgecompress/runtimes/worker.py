"""The child process that holds a runtime, `python -m edgecompress.runtimes.worker`: frames on stdin and stdout.

It may be killed at any moment, and a model file may take it over. So it gets no handle but its pipes, its memory is
bounded, and its parent believes nothing that it says without a check.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.runtimes.channel import Channel, ChannelClosed
from edgecompress.runtimes.session import Session, session_type

Answer = tuple[dict[str, Any], list[np.ndarray]]

MIN_ADDRESS_SPACE_BYTES = 2 << 30  # the runtimes' own libraries and stacks fit well into it
MAX_FILE_BYTES = 1 << 30  # what it may write: a log, a profiler's trace


class Worker:
    """Answers requests about one model. A request names a method of this class; anything it raises is a refusal."""

    _session: Session

    def open(self, arrays: list[np.ndarray], *, path: str, threads: int) -> Answer:
        """Import the runtime, then load the model with a clock around it."""
        session = session_type(path)
        before_bytes = _memory("VmRSS")
        start_ns = time.perf_counter_ns()
        self._session = session(path, threads=threads)
        load_ns = time.perf_counter_ns() - start_ns
        specs = {side: [asdict(spec) for spec in getattr(self._session, side)] for side in ("inputs", "outputs")}
        runtime = self._session.runtime
        return {**specs, "runtime": runtime, "load_ns": load_ns, "resident_bytes": before_bytes}, []

    def run(self, arrays: list[np.ndarray]) -> Answer:
        """Run one inference; its inputs stay in place."""
        self._session.bind(arrays)
        start_ns = time.perf_counter_ns()
        self._session.invoke()
        elapsed_ns = time.perf_counter_ns() - start_ns
        return {"elapsed_ns": elapsed_ns, "resident_bytes": _memory("VmRSS")}, self._session.read()

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

    def time_block(self, arrays: list[np.ndarray], *, runs: int, seconds: float) -> Answer:
        """Time the inference on the inputs in place, at least `runs` times and for at least `seconds`."""
        invoke, clock = self._session.invoke, time.perf_counter_ns
        invoke()  # not timed: until now the caches were another process's
        samples_ns: list[int] = []
        start_ns = before_ns = clock()
        while len(samples_ns) < runs or before_ns - start_ns < seconds * 1e9:
            invoke()
            after_ns = clock()
            samples_ns.append(after_ns - before_ns)
            before_ns = after_ns
        return {}, [np.array(samples_ns, np.int64)]

    def operator_times(self, arrays: list[np.ndarray], *, runs: int) -> Answer:
        """Profile the operators."""
        return {"operators": [asdict(each) for each in self._session.operator_times(arrays, runs)]}, []

    def memory(self, arrays: list[np.ndarray]) -> Answer:
        """Tell the highest resident memory of this process so far."""
        # not ru_maxrss, which starts at the size of the process that this one was forked from
        return {"peak_bytes": _memory("VmHWM")}, []


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


def _memory(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {key}")


def _claim_channel() -> Channel:
    """Take stdin and stdout for the channel; whatever else the process prints goes to stderr."""
    read_fd, write_fd = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return Channel(read_fd, write_fd)


def _die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, even when it is stopped or deep in a runtime's loop."""
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
    gc.disable()  # a collection in the middle of an inference would be timed with it
    serve(channel)
    os._exit(0)


if __name__ == "__main__":
    main()
