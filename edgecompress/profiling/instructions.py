"""Instructions per inference on an emulated processor: what to compare variants by when there is no device.

Emulation keeps no time, so no time is reported. How many instructions a model takes hardly varies, and changes with
the processor, as XNNPACK picks other kernels; how long they take is another question.
"""

from __future__ import annotations

import platform
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from edgecompress.devices.answers import whole
from edgecompress.errors import DeviceError
from edgecompress.formats.tflite.uint8 import what_uint8_costs_in
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.losses import OnFailure, only_itself
from edgecompress.profiling.runner.launch import Launch
from edgecompress.profiling.runner.session import Opened
from edgecompress.progress import Progress, silent
from edgecompress.storage import sha256_of
from edgecompress.values import InstructionCount

WARM_UP_RUNS = 3  # ONNX Runtime still settles in the first ones
RUNS = 10
MAX_COUNTS_BYTES = 1 << 20


def count_instructions(
    bench: Bench, paths: Sequence[Path], *, on_progress: Progress = silent, on_failure: OnFailure | None = None
) -> tuple[InstructionCount, ...]:
    """Count the instructions of each artifact's inference, in `bench.plan.processes` processes.

    A file that fails is told to `on_failure` and left out; without it, the failure is raised.

    Raises:
        DeviceError: more than one thread is asked for, whose instructions would include their waiting, or nothing was
            counted.
    """
    if bench.plan.threads != (1,):
        raise DeviceError(
            f"{bench.device} counts instructions, and those of several threads include their waiting for one another.",
            hint="Leave out `--threads` for emulated devices.",
        )
    found = []
    for index, path in enumerate(paths):
        with only_itself(bench, path, on_failure, bench.abort):

            def report(share: float, index: int = index) -> None:
                done = round((index + share) * bench.plan.processes)
                on_progress(bench.device, done, len(paths) * bench.plan.processes)

            found.append(_count_of(bench, path, report))
    on_progress(bench.device, 1, 1)
    return tuple(found)


def _count_of(bench: Bench, path: Path, report: Callable[[float], None]) -> InstructionCount:
    counts, hows = [], []
    for process in range(bench.plan.processes):
        report(process / bench.plan.processes)
        own, how, opened = _count(bench, path)
        counts.append(own)
        hows.append((how, opened))
    how, opened = hows[0]
    why = how.why_interpreter(opened)
    return InstructionCount(
        artifact=str(path),
        sha256=sha256_of(path),
        device=bench.device,
        runtime=how.runtime(path, opened),
        threads=1,
        counts=tuple(counts),
        instructions=round(statistics.median(count for own in counts for count in own)),
        output_hash=opened.output_hash,
        conditions={
            "line": f"{bench.info.model}, {bench.info.system}, one thread; counts depend on no clock, heat or load",
            "emulator": bench.info.system,
            "host": platform.machine(),
            "seed": bench.plan.seed,
            "device": bench.info.as_json(),
            **({"interpreter": why} if why else {}),
            **({"kernels": cost} if (cost := what_uint8_costs_in(path)) else {}),
        },
    )


def _count(bench: Bench, path: Path) -> tuple[tuple[int, ...], Launch, Opened]:
    with tempfile.TemporaryDirectory(prefix="edgecompress-") as folder:
        counts = Path(folder) / "counts"
        session, how = bench.open(path, threads=1, counts=counts)
        warm = session.time_block(runs=WARM_UP_RUNS)
        block = session.time_block(runs=RUNS)
        bench.close(session)
        words = counts.read_text(errors="replace")[:MAX_COUNTS_BYTES].split()[len(warm.samples_ns) :]
    found = tuple(count for word in words if (count := whole(word)))
    if not len(found) == len(words) == len(block.samples_ns):
        raise DeviceError(
            f"{bench.device} did not count the instructions of {path.name}.",
            hint="Was this QEMU built without plugins? Debian's is built with them.",
        )
    return found, how, session.opened
