"""One artifact of a measurement: its processes, one after another, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.errors import DeviceGone, ModelFileError, RuntimeRefusal, UnsupportedModelError
from edgecompress.formats.tflite.file import read_graph
from edgecompress.formats.tflite.graph import Graph
from edgecompress.formats.tflite.uint8 import what_uint8_costs_in
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.conditions.busy import (
    ENOUGH_BLOCKS,
    is_disturbed,
    not_told,
    others_cores,
    why_busy,
    why_busy_loading,
)
from edgecompress.profiling.losses import OnFailure, only_itself
from edgecompress.profiling.operators import times as operators
from edgecompress.profiling.runner.launch import Launch
from edgecompress.profiling.runner.session import Block, Report, RunnerSession
from edgecompress.profiling.statistics import median_half_width, summarize
from edgecompress.profiling.warmup import WarmUp, warm_up
from edgecompress.storage import sha256_of
from edgecompress.values import Measurement, OperatorTime

BLOCK_S = 0.05  # short against the drift of a clock, long against a context switch
OPERATOR_TRIES = 2  # where they do not add up to an inference: something else may have run meanwhile


@dataclass
class Life:
    """One process of one artifact, from load to end."""

    session: RunnerSession
    how: Launch
    warm_up: WarmUp
    blocks: list[Block] = field(default_factory=list)
    disturbed: list[Block] = field(default_factory=list)  # set aside: the device had other work
    report: Report | None = None

    def samples_ns(self) -> np.ndarray:
        """The latencies of all blocks that were not set aside."""
        return np.concatenate([np.zeros(0, np.int64), *(np.array(block.samples_ns) for block in self.blocks)])


class Track:
    """One artifact at one thread count: its processes, one after another. At most one runs at any time."""

    def __init__(self, bench: Bench, path: Path, threads: int, on_failure: OnFailure | None) -> None:
        self._bench, self.path, self._threads, self._on_failure = bench, path, threads, on_failure
        self._lives: list[Life] = []
        self._operators: tuple[OperatorTime, ...] = ()
        self._operators_note = ""
        self.invalid = ""
        self.lost = False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A block in which a failure ends this track, and no other; that the device has gone is no failure of it."""
        gone: DeviceGone | None = None
        with only_itself(self._bench, self.path, self._on_failure, self._give_up):
            try:
                yield
            except DeviceGone as error:
                gone = error
        if gone:
            raise gone

    def _give_up(self) -> None:
        self.lost = True
        for life in self._lives[-1:]:
            self._bench.close(life.session)

    def start(self) -> None:
        """Load, run for the first time, and warm up."""
        session, how = self._bench.open(self.path, threads=self._threads)
        lane = f"warm-up {self.path.name}"

        def time_block(*, runs: int, seconds: float) -> np.ndarray:
            return np.array(self._bench.time_block(session, lane, runs=runs, seconds=seconds).samples_ns)

        self._lives.append(Life(session, how, warm_up(time_block)))

    def forget_all_but(self, rounds: int) -> None:
        """Forget the processes after so many rounds."""
        del self._lives[rounds:]

    def time_block(self) -> None:
        """Time a block in the present process."""
        life = self._lives[-1]
        block = self._bench.time_block(life.session, f"samples {self.path.name}", seconds=BLOCK_S)
        (life.disturbed if is_disturbed(block, threads=self._threads) else life.blocks).append(block)

    def samples_ns(self) -> np.ndarray:
        """Of the present process."""
        return self._lives[-1].samples_ns()

    def spent_s(self) -> float:
        """In blocks of the present process, those included that are set aside."""
        life = self._lives[-1]
        return sum(block.wall_ns for block in (*life.blocks, *life.disturbed)) / 1e9

    def why_busy(self, halves: bool) -> str:
        """Why the present process must not be believed: the device had other work."""
        life = self._lives[-1]
        beside = why_busy(life.blocks, life.disturbed, threads=self._threads, may_be_halves=halves)
        return beside or why_busy_loading(life.session.opened)

    def is_hopeless(self, halves: bool) -> bool:
        """Whether it is certain enough that the device is busy, so that the round may end."""
        life = self._lives[-1]
        return len(life.blocks) + len(life.disturbed) >= ENOUGH_BLOCKS and bool(self.why_busy(halves))

    def keep_disturbed(self) -> None:
        """Take the blocks that were set aside for what they are, in a measurement that says that it is invalid."""
        life = self._lives[-1]
        life.blocks += life.disturbed

    def clock_readings(self) -> list[tuple[int, int]]:
        """Cores and clocks of the present process."""
        return [(block.core, block.clock_khz) for block in self._lives[-1].blocks]

    @property
    def cores(self) -> int:
        """Mask of the cores that the present process might run on."""
        return self._lives[-1].session.opened.cores

    def finish(self, *, with_operators: bool) -> None:
        """Read the memory, then, where asked, the operators: their second instance must not count as the first's."""
        life = self._lives[-1]
        life.report = life.session.report()
        if not with_operators:
            return
        p50_ns = float(np.median(life.samples_ns()))
        try:
            for _ in range(OPERATOR_TRIES):
                self._operators, note = life.session.operator_times(runs=operators.RUNS, graph=_graph(self.path))
                if not self._operators or operators.agree(self._operators, p50_ns):
                    break
            self._bench.note_operators(f"operators {self.path.name}", self._operators)
            self._operators_note = note or operators.summary(self._operators, p50_ns)
        except RuntimeRefusal as error:  # the samples are safe, and worth more
            self._operators_note = f"none: {error.message}"

    def measurement(self, conditions: dict[str, Any]) -> Measurement:
        """Put all processes together."""
        plan, lives = self._bench.plan, self._lives
        series = [life.samples_ns() for life in lives]
        widths = [median_half_width(samples) for samples in series]
        opened = [life.session.opened for life in lives]
        reports = [life.report for life in lives if life.report]
        own_conditions = {
            "operators": self._operators_note,
            "warm_up": [asdict(life.warm_up) for life in lives],
            "median_half_width": [width if np.isfinite(width) else None for width in widths],
            "precise": all(width <= plan.half_width for width in widths),
            "library_ns": [each.library_ns for each in opened],
            **({"interpreter": why} if (why := lives[0].how.why_interpreter(opened[0])) else {}),
            **({"kernels": cost} if (cost := what_uint8_costs_in(self.path)) else {}),
            "blocks": [len(life.blocks) for life in lives],
            "disturbed_blocks": [len(life.disturbed) for life in lives],
            "others_cores": [others_cores(life.blocks) for life in lives],
            "not_told": not_told([block for life in lives for block in life.blocks]),
        }
        return Measurement(
            artifact=str(self.path),
            sha256=sha256_of(self.path),
            device=self._bench.device,
            runner=lives[0].how.runner,
            runtime=lives[0].how.runtime(self.path, opened[0]),
            threads=self._threads,
            processes=len(lives),
            load_ns=tuple(each.load_ns for each in opened),
            compile_ns=tuple(each.compile_ns for each in opened),
            first_ns=tuple(each.first_ns for each in opened),
            samples_ns=tuple(tuple(samples.tolist()) for samples in series),
            steady=summarize(series),
            cpu_ns=sum(block.cpu_ns for life in lives for block in life.blocks) / sum(map(len, series)),
            peak_memory_bytes=max(each.peak_memory_bytes for each in reports),
            model_memory_bytes=int(np.median([each.model_memory_bytes for each in opened])),
            output_hash=opened[0].output_hash,
            operators=self._operators,
            conditions={**conditions, **own_conditions},
            invalid=self.invalid,
        )


def _graph(path: Path) -> Graph | None:
    """The graph of a TFLite file, by which layers are found; none of a form that its reader does not know."""
    try:
        return read_graph(path) if path.suffix.lower() == ".tflite" else None
    except (ModelFileError, UnsupportedModelError):
        return None
