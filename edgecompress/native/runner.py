"""The runner for a device that has Python and the runtimes' packages: what the C runner does, with fewer figures.

It needs nothing of edgecompress but `runner_machine.py` and `runner_runtimes.py`, since it is pushed to devices. It
takes the same options and requests, and gives the same answers; see `runner/main.c` and `runner/worker.c`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import runpy
import selectors
import signal
import sys
import time
import types
from typing import Any, NoReturn

import numpy as np

REFUSED, GONE, TOO_LATE, CRASHED = 3, 4, 5, 6  # exit statuses
CHUNK_BYTES = 1 << 16


class Worker:
    """Holds the model and answers requests."""

    def __init__(self, options: argparse.Namespace, out: Any) -> None:
        self._out, self._options = out, options
        self._machine: Any = types.SimpleNamespace(**runpy.run_path(options.machine))
        if options.cores:
            mask = int(options.cores, 16)
            os.sched_setaffinity(0, [core for core in range(64) if mask >> core & 1])
            if self._machine.cores() != mask:
                raise ValueError(f"the cores {mask:#x} cannot be had; the system allows {self._machine.cores():#x}")
        import_ns = time.monotonic_ns()
        kind = runpy.run_path(options.runtimes)["Onnx" if options.runtime == "onnx" else "Litert"]
        before = self._machine.memory("VmRSS")
        counted = self._machine.counters()
        shapes = [[int(length) for length in each.split("x") if length] for each in options.shapes.split(",")]
        self._model = kind(options.model, options.threads, shapes if options.shapes else [])
        library_ns = time.monotonic_ns() - import_ns - self._model.load_ns
        self._model.write(self._seeded() if not options.inputs else next(self._records(options.inputs)))
        start_ns = time.monotonic_ns()
        self._model.invoke()
        first_ns = time.monotonic_ns() - start_ns
        counters = self._machine.since(counted)
        outputs = self._model.read()
        self._answer(
            **counters,
            version=self._model.version,
            library_ns=library_ns,
            load_ns=self._model.load_ns,
            compile_ns=0,
            first_ns=first_ns,
            model_memory_bytes=self._machine.memory("VmRSS") - before,
            cores=self._machine.cores(),
            output_hash=f"{_fnv([array for _, array in outputs]):016x}",
            inputs=[_described(name, dtype.name, shape) for name, dtype, shape in self._model.inputs],
            outputs=[_described(name, array.dtype.name, array.shape) for name, array in outputs],
        )

    def answer(self, line: str) -> None:
        """Answer one request."""
        name, *words = line.rstrip("\n").split("\t" if line.startswith("batch") else " ")
        requests: dict[str, Any] = {
            "time": self._time,
            "operators": self._operators,
            "batch": self._batch,
            "report": self._report,
        }
        requests[name](*words)

    def _time(self, runs: str, seconds: str, kept: str = "0") -> None:
        invoke, clock = self._model.invoke, time.perf_counter_ns
        invoke()  # not timed: until now the caches were another process's
        samples: list[int] = []
        counted = self._machine.counters()
        cpu_before, end_ns = time.process_time_ns(), float(seconds) * 1e9
        start_ns = before_ns = clock()
        while len(samples) < int(runs) or before_ns - start_ns < end_ns:
            invoke()
            after_ns = clock()
            samples.append(after_ns - before_ns)
            before_ns = after_ns
        cpu_ns, counters, core = time.process_time_ns() - cpu_before, self._machine.since(counted), self._machine.core()
        self._answer(
            **counters,
            start_ns=start_ns,
            cpu_ns=cpu_ns,
            core=core,
            clock_khz=self._machine.clock_khz(core),
            cores=self._machine.cores(),
            inferences=len(samples),
            samples_ns=samples[:: -(-len(samples) // (int(kept) or len(samples)))],
        )

    def _operators(self, runs: str) -> None:
        self._answer(**self._model.operators(int(runs)))

    def _batch(self, source: str, target: str) -> None:
        count, outputs = 0, []
        with open(target, "wb") as file:  # noqa: PTH123
            for record in self._records(source):
                self._model.write(record)
                self._model.invoke()
                outputs = self._model.read()
                for _, array in outputs:
                    file.write(array.tobytes())
                count += 1
        self._answer(
            records=count, outputs=[_described(name, array.dtype.name, array.shape) for name, array in outputs]
        )

    def _report(self) -> None:
        self._answer(peak_memory_bytes=self._machine.memory("VmHWM"), cpu_ns=time.process_time_ns())

    def _records(self, path: str) -> Any:
        if not self._model.inputs or 0 in self._model.inputs[0][2]:
            raise ValueError("the model has no inputs to take from a file")
        sizes = [int(np.prod(shape, dtype=np.int64)) * dtype.itemsize for _, dtype, shape in self._model.inputs]
        with open(path, "rb") as file:  # noqa: PTH123
            while first := file.read(sizes[0]):
                parts = [first, *(file.read(size) for size in sizes[1:])]
                if [len(part) for part in parts] != sizes:
                    raise ValueError("the file of inputs ends in the middle of a record")
                yield [
                    np.frombuffer(part, dtype).reshape(shape)
                    for part, (_, dtype, shape) in zip(parts, self._model.inputs)  # noqa: B905
                ]

    def _seeded(self) -> list[np.ndarray]:
        """The noise of the C runner: splitmix64, by position."""
        arrays, position = [], 0
        for _, dtype, shape in self._model.inputs:
            count = int(np.prod(shape, dtype=np.int64))
            with np.errstate(over="ignore"):
                z = np.uint64(self._options.seed) + np.arange(position + 1, position + count + 1, dtype=np.uint64) * (
                    np.uint64(0x9E3779B97F4A7C15)
                )
                z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                z = z ^ (z >> np.uint64(31))
            position += count
            if dtype == np.float32:
                values = (z >> np.uint64(40)).astype(np.float32) / np.float32(16777216)
            elif dtype == np.bool_:
                values = (z >> np.uint64(63)).astype(np.bool_)
            elif dtype.kind in "iu" and dtype.itemsize <= 2:
                values = (z >> np.uint64(64 - 8 * dtype.itemsize)).astype(f"u{dtype.itemsize}").view(dtype)
            else:
                values = np.zeros(count, dtype)
            arrays.append(values.reshape(shape))
        return arrays

    def _answer(self, **members: Any) -> None:
        self._out.write(json.dumps(members) + "\n")
        self._out.flush()


def _described(name: str, dtype: str, shape: Any) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": [int(length) for length in shape]}


def _fnv(arrays: list[np.ndarray]) -> int:
    value = 14695981039346656037
    for array in arrays:
        for byte in array.tobytes():
            value = ((value ^ byte) * 1099511628211) & 0xFFFFFFFFFFFFFFFF
    return value


def _limit_resources() -> None:
    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    for what, limit in (
        (resource.RLIMIT_AS, max(half, 2 << 30)),
        (resource.RLIMIT_FSIZE, 1 << 30),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (lower, lower))


def _work(options: argparse.Namespace, requests: int, answers: int) -> NoReturn:
    """Answer until the requests end. Anything that goes wrong is a refusal, in one line."""
    os.dup2(2, 1)  # a library that prints must not get between the answers
    out = os.fdopen(answers, "w")
    try:
        _limit_resources()
        worker = Worker(options, out)
        for line in os.fdopen(requests):
            worker.answer(line)
    except BaseException as error:
        out.write(json.dumps({"refusal": (str(error) or type(error).__name__)[:1000]}) + "\n")
        out.flush()
        os._exit(REFUSED)
    os._exit(0)


def _supervise(child: int, requests: int, answers: int, limit_s: float) -> int:
    """Pass lines on; stop the worker between them; end it when the host has gone, or the time is up."""
    deadline, busy = time.monotonic() + limit_s, True
    waiting = b""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(answers, selectors.EVENT_READ)
        while True:
            ready = selector.select(deadline - time.monotonic())
            if not ready:
                os.write(1, b'{"late": %d}\n' % limit_s)
                return TOO_LATE
            for key, _ in ready:
                data = os.read(key.fd, CHUNK_BYTES)
                if not data and key.fd == 0:
                    return 0
                if not data:
                    return _bury(child)
                if key.fd == 0:
                    waiting += data
                else:
                    busy = not data.endswith(b"\n")
                    while data:
                        data = data[os.write(1, data) :]
            if not busy:
                request, newline, rest = waiting.partition(b"\n")
                os.kill(child, signal.SIGCONT if newline else signal.SIGSTOP)
                if newline:
                    waiting, busy = rest, True
                    os.write(requests, request + newline)


def _bury(child: int) -> int:
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status):
        return os.WEXITSTATUS(status)
    os.write(1, json.dumps({"crash": signal.strsignal(os.WTERMSIG(status))}).encode() + b"\n")
    return CRASHED


def main() -> int:
    """Start the worker and stand beside it."""
    parser = argparse.ArgumentParser()
    for name in ("--runtime", "--model", "--inputs", "--cores", "--shapes"):
        parser.add_argument(name, default="")
    beside = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    for part in ("machine", "runtimes"):
        parser.add_argument(f"--{part}", default=os.path.join(beside, f"runner_{part}.py"))  # noqa: PTH118
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=3600)
    options = parser.parse_args()
    worker_in, requests = os.pipe()
    answers, worker_out = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(requests)
        os.close(answers)
        _work(options, worker_in, worker_out)
    os.close(worker_in)
    os.close(worker_out)
    try:
        return _supervise(child, requests, answers, options.limit)
    finally:
        try:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


if __name__ == "__main__":
    sys.exit(main())
