"""Files to measurements, on the devices that were asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgecompress.errors import DeviceError
from edgecompress.profiling.protocol import profile
from edgecompress.progress import Progress, silent
from edgecompress.runs import RunFolder
from edgecompress.values import Measurement

DEVICES = ("local",)


def profile_files(
    paths: list[Path],
    *,
    devices: tuple[str, ...] = DEVICES,
    threads: tuple[int, ...] = (1,),
    processes: int = 3,
    on_progress: Progress = silent,
) -> list[Measurement]:
    """Measure files against one another on each device.

    Raises:
        DeviceError: there is no such device.
    """
    for device in devices:
        if device not in DEVICES:
            raise DeviceError(f"There is no device '{device}'.", hint=f"Known: {', '.join(DEVICES)}.")
    found: list[Measurement] = []
    for device in devices:
        found += profile(paths, threads=threads, processes=processes, device=device, on_progress=on_progress)
    return found


def profile_run(
    run: RunFolder,
    *,
    devices: tuple[str, ...] = DEVICES,
    threads: tuple[int, ...] = (1,),
    processes: int = 3,
    on_progress: Progress = silent,
) -> list[Measurement]:
    """Measure every artifact of a run; the measurements, raw samples included, take the place of earlier ones."""
    artifacts = run.read_artifacts()
    names = {str(run.artifact_path(artifact)): artifact.path for artifact in artifacts}
    measured = profile_files(
        [Path(path) for path in names], devices=devices, threads=threads, processes=processes, on_progress=on_progress
    )
    found = [replace(measurement, artifact=names[measurement.artifact]) for measurement in measured]
    run.write("measurements", found)
    return found
