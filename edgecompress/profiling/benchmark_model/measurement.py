"""Measure with Google's `benchmark_model` where the user has one, as for a phone whose runner of ours is untried.

The tool tells figures about a process, not its samples. So each process counts as one sample, its median (its mean,
where a version tells no median), and the intervals come from processes alone.
"""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from edgecompress.devices.store import place
from edgecompress.errors import DeviceError, UnsupportedModelError
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.benchmark_model.tool import BenchmarkOutput, arguments, parse_operators_csv, parse_output
from edgecompress.profiling.conditions.standing import standing, why_unfit
from edgecompress.profiling.conditions.validity import why_invalid
from edgecompress.profiling.losses import OnFailure, only_itself
from edgecompress.profiling.statistics import summarize
from edgecompress.progress import Progress, silent
from edgecompress.runtimes.shapes import shapes_to_ask
from edgecompress.storage import sha256_of
from edgecompress.values import Measurement, OperatorTime

EXTRA_S = 60.0  # for loading and warming up


def profile_with_benchmark_model(
    bench: Bench,
    tool: Path,
    paths: Sequence[Path],
    *,
    on_progress: Progress = silent,
    on_failure: OnFailure | None = None,
) -> tuple[Measurement, ...]:
    """Measure TFLite files with the tool, a file from this host built for the device; the files take turns.

    A file that fails is told to `on_failure` and left out; without it, the failure is raised.

    Raises DeviceError if the tool fails, or is to be pinned where there is no `taskset`; UnsupportedModelError for
    other files than TFLite.
    """
    runnable = []
    for path in paths:
        with only_itself(bench, path, on_failure, lambda: None):
            _require_runnable(path)
            runnable.append(path)
    if not runnable:
        return ()
    if not tool.is_file():
        raise DeviceError(
            f"There is no file '{tool}'.", hint="Give the path of a benchmark_model built for the device."
        )
    if bench.mask and "taskset" not in bench.info.tools:
        raise DeviceError(
            f"{bench.device} has no `taskset` to keep benchmark_model to some cores.", hint="Use `--cores all`."
        )
    generator = np.random.default_rng(bench.plan.seed)
    found = []
    first = bench.look()
    for threads in bench.plan.threads:
        began, before = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", bench.look()
        outputs: dict[Path, list[BenchmarkOutput]] = {path: [] for path in runnable}
        for process in range(bench.plan.processes):
            on_progress(f"{bench.device}, threads: {threads}", process, bench.plan.processes)
            for path in [list(outputs)[index] for index in generator.permutation(len(outputs))]:
                with only_itself(bench, path, on_failure, partial(outputs.pop, path)):
                    outputs[path].append(_run(bench, tool, path, threads))
        after = bench.look()
        invalid = why_unfit([before, after]) or why_invalid(before, [after], [])
        conditions = {
            **standing([before, after], first=first, threads=threads, cores=bench.mask, readings=[]),
            **{"before": before, "after": after, "device": bench.info.as_json(), "pinned": bench.plan.cores},
            "began": began,
            "not_told": ["whether the machine had other work"],
            "samples": "one a process: its median, or mean where the tool tells no median",
        }
        runnable = list(outputs)
        for path in runnable:
            operators, note = _operators(bench, tool, path, threads)
            found.append(
                _measurement(bench, path, threads, outputs[path], operators, {**conditions, "operators": note}, invalid)
            )
    on_progress(bench.device, 1, 1)
    return tuple(found)


def _require_runnable(path: Path) -> None:
    """The tool is not told of shapes, and would take a free axis for one of length 1."""
    if path.suffix.lower() != ".tflite":
        raise UnsupportedModelError(f"benchmark_model runs TFLite files, not {path.name}.")
    shapes_to_ask(path, {})


def _measurement(
    bench: Bench,
    path: Path,
    threads: int,
    outputs: list[BenchmarkOutput],
    operators: tuple[OperatorTime, ...],
    conditions: dict[str, object],
    invalid: str,
) -> Measurement:
    series = [[each.mean_ns if each.median_ns is None else each.median_ns] for each in outputs]
    return Measurement(
        artifact=str(path),
        sha256=sha256_of(path),
        device=bench.device,
        runner="benchmark_model",
        runtime="LiteRT in benchmark_model",
        threads=threads,
        processes=len(outputs),
        load_ns=tuple(each.init_ns for each in outputs),
        compile_ns=(0,) * len(outputs),
        first_ns=tuple(each.first_ns for each in outputs),
        samples_ns=tuple(tuple(each) for each in series),
        steady=summarize(series),
        cpu_ns=0.0,
        peak_memory_bytes=max(each.peak_memory_bytes or 0 for each in outputs),
        model_memory_bytes=round(statistics.median(each.model_memory_bytes or 0 for each in outputs)),
        output_hash="",
        operators=operators,
        conditions={**conditions, "runs": [asdict(each) for each in outputs]},
        invalid=invalid,
    )


def _run(bench: Bench, tool: Path, path: Path, threads: int) -> BenchmarkOutput:
    plan = bench.plan
    said = _call(bench, tool, path, threads, runs=plan.min_runs, seconds=plan.min_seconds)
    return parse_output(said)


def _operators(bench: Bench, tool: Path, path: Path, threads: int) -> tuple[tuple[OperatorTime, ...], str]:
    """In a run of their own, since timing them slows the tool down."""
    table = f"{bench.transport.folder}/operators-{uuid.uuid4().hex}.csv"
    bench.transport.shell('mkdir -p "$1"', bench.transport.folder)  # on this machine nothing is pushed into it
    _call(bench, tool, path, threads, runs=bench.plan.min_runs, seconds=0.0, operators_csv=table)
    text = bench.transport.shell('cat "$1" && rm -f "$1"', table).stdout
    if not text.strip():
        return (), "none: this version of benchmark_model writes no table"
    return parse_operators_csv(text), ""


def _call(
    bench: Bench, tool: Path, path: Path, threads: int, *, runs: int, seconds: float, operators_csv: str = ""
) -> str:
    where = place(bench.transport, {"benchmark_model": tool, path.name: path})
    limit_s = bench.plan.max_seconds
    words = [where["benchmark_model"], *arguments(
        where[path.name], threads=threads, runs=runs, seconds=seconds, max_seconds=limit_s, operators_csv=operators_csv
    )]  # fmt: skip
    if bench.mask:
        words = ["taskset", f"{bench.mask:x}", *words]
    finished = bench.transport.run(words, timeout_s=limit_s + EXTRA_S)
    return f"{finished.stdout}\n{finished.stderr}"
