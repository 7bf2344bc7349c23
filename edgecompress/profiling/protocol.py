"""The measurement on this machine: several processes, warm, artifacts interleaved, until precise or at a cap."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.devices.conditions import snapshot
from edgecompress.errors import ModelFileError, RuntimeRefusal
from edgecompress.profiling.statistics import median_half_width, summarize
from edgecompress.profiling.warmup import WarmUp, warm_up
from edgecompress.progress import Progress, silent
from edgecompress.runtimes.inputs import example_inputs
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.values import Measurement, OperatorTime

BLOCK_S = 0.05  # short against the drift of a clock, long against a context switch
OPERATOR_RUNS = 50


def profile(
    paths: Sequence[str | Path],
    *,
    threads: Sequence[int] = (1,),
    processes: int = 3,
    min_runs: int = 50,
    min_seconds: float = 1.0,
    max_seconds: float = 10.0,
    half_width: float = 0.02,
    seed: int = 0,
    device: str = "local",
    on_progress: Progress = silent,
) -> tuple[Measurement, ...]:
    """Measure artifacts on this machine against one another; a measurement each, for one thread count after another.

    Each of `processes` rounds starts one process an artifact, in a random order, warms each up, and then times short
    blocks, the artifacts by turns in a random order, so that what slows the machine slows all. A round goes on until
    each artifact has `min_runs` samples, `min_seconds` and a median known within `half_width` (as a fraction, at
    95 %), or one of them has run for `max_seconds`. Inputs are noise. `device` is the name to write down.

    Raises ModelFileError, RuntimeRefusal or UnsupportedModelError if an artifact does not run.
    """
    stop = _Stop(min_runs, min_seconds, max_seconds, half_width)
    generator = np.random.default_rng(seed)
    measurements: list[Measurement] = []
    rounds_done, rounds = 0, processes * len(threads)
    for thread_count in threads:
        tracks = [_Track(str(path), thread_count, seed) for path in paths]
        before = snapshot()
        for _ in range(processes):
            report = _percent(on_progress, f"threads: {thread_count}", rounds_done, rounds)
            rounds_done += 1
            with ExitStack() as running:
                for index in generator.permutation(len(tracks)):
                    tracks[index].start(running)
                while not stop.reached(tracks, report):
                    for index in generator.permutation(len(tracks)):
                        tracks[index].time_block()
                for track in tracks:
                    track.finish(with_operators=rounds_done % processes == 0)
        conditions = {"before": before, "after": snapshot(), "seed": seed, "interleaved": [str(path) for path in paths]}
        measurements += [track.measurement(device, conditions, half_width) for track in tracks]
    return tuple(measurements)


@dataclass
class _Life:
    """One process of one artifact, from load to end."""

    process: RuntimeProcess
    warm_up: WarmUp
    blocks_ns: list[np.ndarray] = field(default_factory=list)
    peak_memory_bytes: int = 0

    def samples_ns(self) -> np.ndarray:
        return np.concatenate([np.zeros(0, np.int64), *self.blocks_ns])


class _Track:
    """One artifact at one thread count: its processes, one after another. At most one child runs at any time."""

    def __init__(self, path: str, threads: int, seed: int) -> None:
        self._path, self._threads, self._seed = path, threads, seed
        self._sha256 = _sha256(path)
        self._lives: list[_Life] = []
        self._operators: tuple[OperatorTime, ...] = ()
        self._operators_note = ""

    def start(self, running: ExitStack) -> None:
        """Load, run for the first time, warm up, and stop until it is this artifact's turn."""
        process = running.enter_context(RuntimeProcess(self._path, threads=self._threads))
        process.run(self._inputs(process))
        self._lives.append(_Life(process, warm_up(process.time_block)))
        process.pause()

    def time_block(self) -> None:
        life = self._lives[-1]
        life.process.resume()
        life.blocks_ns.append(life.process.time_block(seconds=BLOCK_S))
        # Stopped, not merely idle. Without spinning (`session.intra_op.allow_spinning=0`) an idle process would be as
        # quiet, but every multi-threaded time would be one that no application with the default settings sees.
        life.process.pause()

    def samples_ns(self) -> np.ndarray:
        """Of the present process."""
        return self._lives[-1].samples_ns()

    def finish(self, *, with_operators: bool) -> None:
        """Read the memory, then, where asked, the operators: their second instance must not count as the first's."""
        life = self._lives[-1]
        life.process.resume()
        life.peak_memory_bytes = life.process.peak_memory_bytes()
        if with_operators:
            try:
                self._operators = life.process.operator_times(self._inputs(life.process), runs=OPERATOR_RUNS)
                self._operators_note = f"mean of {OPERATOR_RUNS} inferences in an instrumented instance"
            except RuntimeRefusal as error:  # the samples are safe, and worth more
                self._operators_note = f"none: {error.message}"
        life.process.pause()

    def measurement(self, device: str, conditions: dict[str, Any], half_width: float) -> Measurement:
        lives = self._lives
        series = [life.samples_ns() for life in lives]
        widths = [median_half_width(samples) for samples in series]
        own_conditions = {
            "operators": self._operators_note,
            "warm_up": [asdict(life.warm_up) for life in lives],
            "median_half_width": [width if np.isfinite(width) else None for width in widths],
            "precise": all(width <= half_width for width in widths),
        }
        return Measurement(
            artifact=self._path,
            sha256=self._sha256,
            device=device,
            runtime=lives[0].process.describe()[2],
            threads=self._threads,
            processes=len(lives),
            load_ns=tuple(life.process.load_ns for life in lives),
            first_ns=tuple(life.process.first_ns for life in lives),
            samples_ns=tuple(tuple(samples.tolist()) for samples in series),
            steady=summarize(series, seed=self._seed),
            peak_memory_bytes=max(life.peak_memory_bytes for life in lives),
            model_memory_bytes=int(np.median([life.process.model_memory_bytes for life in lives])),
            operators=self._operators,
            conditions={**conditions, **own_conditions},
        )

    def _inputs(self, process: RuntimeProcess) -> list[np.ndarray]:
        return example_inputs(process.describe()[0], seed=self._seed)


@dataclass(frozen=True)
class _Stop:
    """When a round may end."""

    min_runs: int
    min_seconds: float
    max_seconds: float
    half_width: float

    def reached(self, tracks: Sequence[_Track], report: Callable[[float], None]) -> bool:
        samples = [track.samples_ns() for track in tracks]
        seconds = [float(each.sum()) / 1e9 for each in samples]
        capped = max(seconds) >= self.max_seconds
        enough = capped or all(
            len(each) >= self.min_runs and spent >= self.min_seconds and median_half_width(each) <= self.half_width
            for each, spent in zip(samples, seconds, strict=True)
        )
        report(1.0 if enough else max(seconds) / self.max_seconds)
        return enough


def _sha256(path: str) -> str:
    if not Path(path).is_file():
        raise ModelFileError(f"There is no file {path}.")
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _percent(on_progress: Progress, what: str, rounds_done: int, rounds: int) -> Callable[[float], None]:
    return lambda share: on_progress(what, 100 * rounds_done + int(100 * share), 100 * rounds)
