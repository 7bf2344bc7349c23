"""Files to measurements, on the devices that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.devices.configured import resolve
from edgecompress.devices.emulated import EmulatedTransport
from edgecompress.devices.governor import governor
from edgecompress.devices.transport import Transport
from edgecompress.errors import DeviceError
from edgecompress.pipeline.fleet import on_each
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.instructions import count_instructions
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.protocol import profile
from edgecompress.profiling.sustained import sustain
from edgecompress.profiling.with_benchmark_model import profile_with_benchmark_model
from edgecompress.progress import Progress, silent
from edgecompress.runs import RunFolder
from edgecompress.values import Failure, InstructionCount, Measurement, Sustained, Timeline


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
    devices: Sequence[str] = ("local",),
    plan: Plan | None = None,
    extras: Extras | None = None,
    on_progress: Progress = silent,
) -> Profiled:
    """Measure files against one another on each device; devices work at the same time, and fail alone.

    Raises:
        DeviceError: there is no such device, or the only one cannot measure.
        ModelFileError, RuntimeRefusal: the same about the files.
    """
    addresses = parse_devices(devices)

    def work(transport: Transport, report: Progress) -> Profiled:
        return _profile_on(transport, paths, plan or Plan(), extras or Extras(), report)

    found, failures = on_each(addresses, work, on_progress=on_progress)
    return Profiled(
        tuple(measurement for each in found for measurement in each.measurements),
        tuple(count for each in found for count in each.instructions),
        tuple(series for each in found for series in each.sustained),
        tuple(failures),
        tuple(timeline for each in found for timeline in each.timelines),
    )


def profile_run(
    run: RunFolder,
    *,
    devices: Sequence[str] = ("local",),
    plan: Plan | None = None,
    extras: Extras | None = None,
    on_progress: Progress = silent,
) -> Profiled:
    """Measure every artifact of a run; what is found, raw samples included, takes the place of earlier figures."""
    artifacts = run.read_artifacts()
    names = {str(run.artifact_path(artifact)): artifact.path for artifact in artifacts}
    found = profile_files(
        [Path(path) for path in names], devices=devices, plan=plan, extras=extras, on_progress=on_progress
    )
    found = replace(
        found,
        measurements=tuple(replace(each, artifact=names[each.artifact]) for each in found.measurements),
        instructions=tuple(replace(each, artifact=names[each.artifact]) for each in found.instructions),
        sustained=tuple(replace(each, artifact=names[each.artifact]) for each in found.sustained),
    )
    for name, values in (("measurements", found.measurements), ("instructions", found.instructions)):
        if values:
            run.write(name, list(values))
    return found


def parse_devices(devices: Sequence[str]) -> list[Address]:
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
    transport: Transport, paths: Sequence[Path], plan: Plan, extras: Extras, on_progress: Progress
) -> Profiled:
    with ExitStack() as stack:
        if extras.governor:
            stack.enter_context(governor(transport, extras.governor))
        bench = stack.enter_context(
            Bench(transport, plan, on_push=lambda name: on_progress(f"pushing {name} to {transport.address}", 0, 1))
        )
        if isinstance(transport, EmulatedTransport):
            if extras.sustained_s or extras.benchmark_model:
                raise DeviceError(f"{bench.device} keeps no time.", hint="Measure that on a real device.")
            counts = count_instructions(bench, paths, on_progress=on_progress)
            return Profiled(instructions=counts, timelines=(bench.timeline(),))
        if extras.sustained_s:
            series = tuple(sustain(bench, path, seconds=extras.sustained_s, on_progress=on_progress) for path in paths)
            return Profiled(sustained=series, timelines=(bench.timeline(),))
        if extras.benchmark_model:
            found = profile_with_benchmark_model(bench, extras.benchmark_model, paths, on_progress=on_progress)
        else:
            found = profile(bench, paths, on_progress=on_progress)
        return Profiled(found, timelines=(bench.timeline(),))
