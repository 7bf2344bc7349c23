"""Files to measurements, on the devices that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.devices.configured import resolve
from edgecompress.devices.holding.governor import governor
from edgecompress.devices.ways.emulated import EmulatedTransport
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError, EdgeCompressError, RunFolderError
from edgecompress.pipeline.on_devices.fleet import on_each
from edgecompress.pipeline.on_devices.kept import KINDS, add_to_run, read_earlier
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.benchmark_model.measurement import profile_with_benchmark_model
from edgecompress.profiling.instructions import count_instructions
from edgecompress.profiling.losses import OnFailure, only_itself
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.protocol import profile
from edgecompress.profiling.readiness.check import Wanted, check
from edgecompress.profiling.runner.launch import RUNTIMES
from edgecompress.profiling.sustained import sustain
from edgecompress.progress import Progress, silent
from edgecompress.runs.folder import RunFolder
from edgecompress.runs.working import alone
from edgecompress.runtimes.engines.session import RUNTIMES as SUFFIXES
from edgecompress.runtimes.shapes import require_known_names
from edgecompress.values import Failure, InstructionCount, Measurement, Sustained, Timeline

# Steps before a measurement whose warnings its conditions repeat in other words, or as what makes it invalid.
IN_CONDITIONS = ("clock", "load", "screen", "battery saver", "thermal status")


@dataclass(frozen=True)
class Profiled:
    """What the devices gave."""

    measurements: tuple[Measurement, ...] = ()
    instructions: tuple[InstructionCount, ...] = ()
    sustained: tuple[Sustained, ...] = ()
    failures: tuple[Failure, ...] = ()
    timelines: tuple[Timeline, ...] = ()


@dataclass(frozen=True)
class Extras:
    """What may come with a measurement: a governor to set, minutes to sustain it, a tool of the user's."""

    governor: str = ""
    sustained_s: float = 0.0
    benchmark_model: Path | None = None


def profile_files(
    paths: Sequence[Path],
    *,
    devices: Sequence[str | Address] = ("local",),
    plan: Plan | None = None,
    extras: Extras | None = None,
    all_or_none: bool = False,
    on_progress: Progress = silent,
) -> Profiled:
    """Measure files against one another on each device; devices work at the same time, and fail alone, as files do.

    With `all_or_none`, a file that fails on a device takes the others' measurements there with it.

    Raises:
        DeviceError: there is no such device, or the only one cannot measure.
        ModelFileError, RuntimeRefusal, UnsupportedModelError: the same about the only file on the only device, or a
            shape is given for an input that no file has.
    """
    addresses = parse_devices(devices)
    plan = plan or Plan()
    require_known_names(paths, dict(plan.shapes))

    def work(transport: Transport, report: Progress) -> Profiled:
        return _profile_on(transport, paths, plan, extras or Extras(), all_or_none, report)

    found, failures = on_each(addresses, work, on_progress=on_progress)
    failures += [failure for each in found for failure in each.failures]
    return Profiled(
        tuple(measurement for each in found for measurement in each.measurements),
        tuple(count for each in found for count in each.instructions),
        tuple(series for each in found for series in each.sustained),
        tuple(failures),
        tuple(timeline for each in found for timeline in each.timelines),
    )


@alone
def profile_run(
    run: RunFolder,
    *,
    devices: Sequence[str | Address] = ("local",),
    plan: Plan | None = None,
    extras: Extras | None = None,
    on_progress: Progress = silent,
) -> Profiled:
    """Measure every artifact of a run; what is found, raw samples included, is added to what the run has.

    Raises:
        RunFolderError: no artifact is the file that was converted, or what the run has cannot be read.
        DeviceError, ModelFileError, RuntimeRefusal, UnsupportedModelError: as `profile_files` does.
    """
    for kind in KINDS:
        read_earlier(run, kind)  # before minutes go into what could not be added
    names: dict[str, str] = {}
    lost: list[Failure] = []
    for artifact in run.read_artifacts():
        try:
            names[str(run.artifact_path(artifact))] = artifact.path
        except RunFolderError as error:
            lost.append(Failure("", error.message, error.hint, artifact.path))
            if len(lost) == len(run.read_artifacts()):
                raise
    found = profile_files(
        [Path(path) for path in names], devices=devices, plan=plan, extras=extras, on_progress=on_progress
    )
    found = replace(
        found,
        measurements=tuple(replace(each, artifact=names[each.artifact]) for each in found.measurements),
        instructions=tuple(replace(each, artifact=names[each.artifact]) for each in found.instructions),
        sustained=tuple(replace(each, artifact=names[each.artifact]) for each in found.sustained),
        failures=(*lost, *(replace(each, artifact=names.get(each.artifact, "")) for each in found.failures)),
    )
    for kind in KINDS:
        add_to_run(run, kind, getattr(found, kind))
    return found


def parse_devices(devices: Sequence[str | Address]) -> list[Address]:
    """Take the names apart, all before anything is measured.

    Raises:
        DeviceError: one is no device, or comes twice.
    """
    addresses = [resolve(device) for device in devices]
    for address in addresses:
        if addresses.count(address) > 1:
            raise DeviceError(f"{address} is named twice.", hint="A device is measured once.")
    return addresses


def _profile_on(
    transport: Transport,
    paths: Sequence[Path],
    plan: Plan,
    extras: Extras,
    all_or_none: bool,
    on_progress: Progress,
) -> Profiled:
    """What one device gives. Raises what is wrong with the only file, or with the device before it gave anything."""

    def pushing(name: str, done: int, total: int) -> None:
        on_progress(f"pushing {name} to {transport.address}", done, total)

    found = check(transport, _wanted(paths, plan, extras), on_push=pushing)
    info = found.require()
    with ExitStack() as stack:
        if extras.governor:
            stack.enter_context(governor(transport, extras.governor))
        notes = [f"{step.name}: {step.found}" for step in found.warnings if step.name not in IN_CONDITIONS]
        bench = stack.enter_context(Bench(transport, plan, info=info, notes=notes, on_push=pushing))
        errors: list[EdgeCompressError] = []
        failures: list[Failure] = []

        def note(path: Path | None, error: EdgeCompressError) -> None:
            errors.append(error)
            failures.append(Failure(bench.device, error.message, error.hint, str(path or "")))

        given = _measure(bench, paths, extras, None if all_or_none else note, on_progress)
        if errors and not (given.measurements or given.instructions or given.sustained) and len(paths) == 1:
            raise errors[0]
        return replace(given, failures=tuple(failures), timelines=(bench.timeline(),))


def _wanted(paths: Sequence[Path], plan: Plan, extras: Extras) -> Wanted:
    """What the device has to be ready for: some of the files, if not all."""
    runtimes = [RUNTIMES[name] for path in paths if (name := SUFFIXES.get(path.suffix.lower()))]
    runner = "benchmark_model" if extras.benchmark_model else plan.runner
    return Wanted(runner, plan.python, tuple(dict.fromkeys(runtimes)) or Wanted.runtimes, with_push=False)


def _measure(
    bench: Bench, paths: Sequence[Path], extras: Extras, on_failure: OnFailure | None, on_progress: Progress
) -> Profiled:
    if isinstance(bench.transport, EmulatedTransport):
        if extras.sustained_s or extras.benchmark_model:
            raise DeviceError(f"{bench.device} keeps no time.", hint="Measure that on a real device.")
        return Profiled(instructions=count_instructions(bench, paths, on_progress=on_progress, on_failure=on_failure))
    if extras.sustained_s:
        return Profiled(sustained=_sustain(bench, paths, extras.sustained_s, on_failure, on_progress))
    if extras.benchmark_model:
        return Profiled(
            profile_with_benchmark_model(
                bench, extras.benchmark_model, paths, on_progress=on_progress, on_failure=on_failure
            )
        )
    return Profiled(profile(bench, paths, on_progress=on_progress, on_failure=on_failure))


def _sustain(
    bench: Bench, paths: Sequence[Path], seconds: float, on_failure: OnFailure | None, on_progress: Progress
) -> tuple[Sustained, ...]:
    series: list[Sustained] = []
    ends: list[DeviceError] = []
    on_gone = ends.append if on_failure else None
    for path in paths:
        with only_itself(bench, path, on_failure, bench.abort):
            for threads in bench.plan.threads:
                series.append(
                    sustain(bench, path, seconds=seconds, threads=threads, on_progress=on_progress, on_gone=on_gone)
                )
                if on_failure and ends:
                    on_failure(None, ends[0])
                    return tuple(series)
    return tuple(series)
