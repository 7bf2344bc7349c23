"""A device that is ready to measure: sessions on it, looks at its conditions, and the timeline of what happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edgecompress.devices.conditions import snapshot
from edgecompress.devices.cores import core_mask
from edgecompress.devices.identity import identify
from edgecompress.devices.probe import DeviceInfo, probe
from edgecompress.devices.ways.emulated import EmulatedTransport
from edgecompress.devices.ways.emulated_info import emulated_info
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError, EdgeCompressError, ModelFileError, RuntimeRefusal
from edgecompress.profiling.operators.names import UNKNOWN
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.runner.launch import Launch, choose_runner, launch
from edgecompress.profiling.runner.python_recipe import DEFAULT
from edgecompress.profiling.runner.session import Block, RunnerSession
from edgecompress.progress import Progress, silent
from edgecompress.runtimes.engines.session import runtime_name
from edgecompress.values import Gauge, OperatorTime, Span, Timeline

SESSION_LIMIT_S = 1800.0  # of a runner's life, which the device itself enforces
REJOIN_S = 120.0  # as long as a board takes to start
MAX_SAMPLE_SPANS = 20_000


class Bench:
    """A device during a measurement; use it in a `with` statement, which ends what still runs there.

    `info` is what the device is, where that was asked already, and `notes` what is to be said with its figures.
    """

    def __init__(
        self,
        transport: Transport,
        plan: Plan,
        *,
        info: DeviceInfo | None = None,
        notes: Sequence[str] = (),
        on_push: Progress = silent,
    ) -> None:
        self.transport, self.plan, self._notes, self._on_push = transport, plan, tuple(notes), on_push
        self.device = str(transport.address)
        self.info: DeviceInfo = info or (
            emulated_info(transport) if isinstance(transport, EmulatedTransport) else probe(transport)
        )
        self._began_ns = time.monotonic_ns()
        self._spans: list[Span] = []
        self._gauges: list[Gauge] = []
        self._sessions: list[RunnerSession] = []
        self._silent: list[str] = []  # programs of the device that hung
        self.mask = 0
        if plan.cores != "all":
            if isinstance(transport, EmulatedTransport):
                raise DeviceError(f"{self.device} has no cores to choose from.", hint="Leave out `--cores`.")
            self.mask = core_mask(plan.cores, snapshot(transport), device=self.device)

    @property
    def notes(self) -> list[str]:
        """What is to be said with every figure from here on."""
        return [*self._notes, *self.transport.notes]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.abort()

    def abort(self) -> None:
        """End every session; whoever waits for one sees the device go away."""
        while self._sessions:
            self._sessions.pop().close()

    def rejoin(self, *, on_try: Callable[[], None] = lambda: None) -> None:
        """Wait for a device that went away; what was held there is held again. `on_try` is called before each try.

        Raises:
            DeviceError: it stays away, or another one is in its place.
        """
        self.abort()
        self.transport.reconnect(within_s=REJOIN_S, on_try=on_try)
        if identify(self.transport).device != self.info.identity:
            raise DeviceError(f"{self.device} came back as another device.", hint="Does its address move about?")

    def open(
        self,
        path: Path,
        *,
        threads: int,
        inputs: Path | None = None,
        counts: Path | None = None,
        limit_s: float = SESSION_LIMIT_S,
    ) -> tuple[RunnerSession, Launch]:
        """Load a file in a runner on the device.

        Raises DeviceError, RuntimeRefusal or ModelFileError.
        """
        if not path.is_file():
            raise ModelFileError(f"There is no file {path}.")

        def start(runner: str) -> tuple[RunnerSession, Launch]:
            how = launch(
                self.transport,
                self.info,
                path,
                runner=runner,
                python=self.plan.python or self.transport.address.python or DEFAULT,
                threads=threads,
                seed=self.plan.seed,
                cores=self.mask,
                shapes=dict(self.plan.shapes),
                inputs=inputs,
                counts=counts,
                on_push=self._on_push,
            )
            return RunnerSession(self.transport, how.words, model=path.name, limit_s=limit_s), how

        try:
            session, how = start(self.plan.runner)
        except RuntimeRefusal as refusal:
            session, how = self._in_python(start, path, refusal)
        self._sessions.append(session)
        self._check_cores(session.opened.cores)
        self._span(f"processes {path.name}", "start and load", session.started_ns, session.opened_ns, threads=threads)
        return session, how

    def _in_python(
        self, start: Callable[[str], tuple[RunnerSession, Launch]], path: Path, refusal: RuntimeRefusal
    ) -> tuple[RunnerSession, Launch]:
        """What LiteRT's compiled model refuses its interpreter may run, which only the Python runner has whole."""
        chosen = choose_runner(self.plan.runner, self.transport)
        if self.plan.runner != "auto" or chosen == "python" or not self.info.python or runtime_name(path) != "LiteRT":
            raise refusal
        try:
            session, how = start("python")
        except EdgeCompressError:  # it has no such package, or refuses the file, too
            raise refusal from None
        return session, replace(how, instead_of=refusal.message)

    def close(self, session: RunnerSession) -> None:
        """End a session."""
        session.close()
        if session in self._sessions:
            self._sessions.remove(session)

    def time_block(
        self, session: RunnerSession, lane: str, *, runs: int = 1, seconds: float = 0.0, kept: int = 0
    ) -> Block:
        """Time a block of inferences, see that they ran where they should, and note it down."""
        asked_ns = time.monotonic_ns()
        block = session.time_block(runs=runs, seconds=seconds, kept=kept)
        self._check_cores(block.cores)
        # The device's clock has another beginning. Its block began when it was asked for, but for the way there.
        offset_ns = session.clock_offset(asked_ns, block)
        start_ns, median_ns = block.start_ns + offset_ns, sorted(block.samples_ns)[len(block.samples_ns) // 2]
        took_ns = sum(block.samples_ns) * block.inferences // len(block.samples_ns)
        self._span(lane, "block", start_ns, start_ns + took_ns, inferences=block.inferences,
                   median_us=median_ns / 1000, core=block.core)  # fmt: skip
        if block.clock_khz:
            self._gauge(f"clock of core {block.core} (MHz)", block.clock_khz / 1000)
        if self.plan.with_samples:
            for sample_ns in block.samples_ns[: max(0, MAX_SAMPLE_SPANS - len(self._spans))]:
                self._span(lane, "inference", start_ns, start_ns + sample_ns)
                start_ns += sample_ns
        return block

    def look(self) -> dict[str, Any]:
        """Ask the device for its conditions."""
        told = snapshot(self.transport, without=self._silent)
        self._silent = told.get("silent", [])
        found = {**told, "at_s": round((time.monotonic_ns() - self._began_ns) / 1e9, 3)}
        for name, degrees in found.get("temperatures", {}).items():
            self._gauge(f"{name} (C)", degrees)
        for cores, clock in found.get("clocks", {}).items():
            if clock["limit_mhz"]:
                self._gauge(f"limit of cores {cores} (MHz)", clock["limit_mhz"])
        return found

    def note_operators(self, lane: str, operators: Sequence[OperatorTime]) -> None:
        """Note the operators down one after another, each as long as it takes."""
        start_ns = time.monotonic_ns()
        for operator in operators:
            name = operator.kind if operator.name in ("", UNKNOWN) else operator.name
            end_ns = start_ns + round(operator.time_ns)
            self._span(lane, name, start_ns, end_ns, kind=operator.kind)
            start_ns = end_ns

    def timeline(self) -> Timeline:
        """Return what happened so far."""
        return Timeline(self.device, tuple(self._spans), tuple(self._gauges))

    def _check_cores(self, mask: int) -> None:
        if self.mask and mask != self.mask:
            raise DeviceError(f"{self.device} did not keep to the cores {self.mask:#x}; it used {mask:#x}.")

    def _span(self, lane: str, name: str, start_ns: int, end_ns: int, **details: Any) -> None:
        self._spans.append(Span(lane, name, start_ns - self._began_ns, end_ns - start_ns, details))

    def _gauge(self, name: str, value: float) -> None:
        self._gauges.append(Gauge(name, time.monotonic_ns() - self._began_ns, value))
