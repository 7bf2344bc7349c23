"""Speed against time and temperature: one inference after another, for minutes, as a camera's application runs them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgecompress.errors import DeviceError
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.conditions.standing import standing, why_unfit
from edgecompress.profiling.conditions.validity import hottest, why_hot
from edgecompress.profiling.losses import once_more
from edgecompress.profiling.runner.launch import Launch
from edgecompress.profiling.runner.session import RunnerSession
from edgecompress.progress import Progress, silent
from edgecompress.storage import sha256_of
from edgecompress.values import Sustained, Window

BLOCK_S = 1.0
WINDOWS = 60  # as many as make a readable plot
KEPT = 10_000  # samples of a block: hours of microseconds fit into no memory, and to tell them takes a pause
EXTRA_S = 300.0  # of a runner's life beyond what is asked for


def thirds_ns(series: Sustained) -> tuple[float, float]:
    """Return the middle window's median in the first third of the time, and in the last."""
    windows = series.windows
    third = max(1, len(windows) // 3)
    first, last = (sorted(window.p50_ns for window in part)[third // 2] for part in (windows[:third], windows[-third:]))
    return first, last


def sustain(
    bench: Bench,
    path: Path,
    *,
    seconds: float,
    threads: int,
    on_progress: Progress = silent,
    on_gone: Callable[[DeviceError], None] | None = None,
) -> Sustained:
    """Run an artifact for `seconds` without a pause but for a look at the device every window, a sixtieth of them.

    The runner is started cold, and nothing is warmed up: how speed falls from the first second on is the question. A
    device that goes away is waited for once, and that is noted; `on_gone` is told why the series ends early.

    Raises ModelFileError, RuntimeRefusal or DeviceError, the last where nothing was measured or there is no `on_gone`.
    """
    looks, readings, notes = [bench.look()], list[tuple[int, int]](), bench.notes
    runs: list[tuple[RunnerSession, Launch]] = []
    windows: list[Window] = []
    window_s = max(BLOCK_S, seconds / WINDOWS)
    began_s = ended_s = 0.0

    def go_on() -> None:
        nonlocal began_s, ended_s
        session, how = bench.open(path, threads=threads, limit_s=seconds + EXTRA_S)
        runs.append((session, how))
        began_s = began_s or time.monotonic()
        try:
            while (start_s := time.monotonic() - began_s) < seconds:
                on_progress(f"{bench.device}, {path.name}", int(start_s), int(seconds))
                kept: list[np.ndarray] = []
                count = clock_khz = 0
                while (left_s := window_s - (time.monotonic() - began_s - start_s)) > 0:
                    block = bench.time_block(session, f"samples {path.name}", seconds=min(BLOCK_S, left_s), kept=KEPT)
                    kept.append(np.array(block.samples_ns))
                    count += block.inferences
                    clock_khz = block.clock_khz
                    readings.append((block.core, clock_khz))
                p50, p90 = np.quantile(np.concatenate(kept), (0.5, 0.9)).tolist()
                clock_mhz = clock_khz / 1000 if clock_khz else None
                looks.append(bench.look())
                windows.append(Window(round(start_s, 3), count, p50, p90, clock_mhz, hottest(looks[-1])))
                ended_s = time.monotonic() - began_s
            looks.append(bench.look())
        finally:
            bench.close(session)

    try:
        once_more(bench, go_on, lambda: None, notes=notes, on_progress=on_progress)
    except DeviceError as error:
        if not windows or on_gone is None:
            raise
        notes.append(f"{ended_s:.0f} of {seconds:.0f} s: {error.message}")
        on_gone(error)
    session, how = runs[-1]
    on_progress(f"{bench.device}, {path.name}", int(seconds), int(seconds))
    told = standing(looks, first=looks[0], threads=threads, cores=session.opened.cores, readings=readings)
    from_the_start = why_unfit(looks[:1]) or why_hot(looks[0])
    return Sustained(
        artifact=str(path),
        sha256=sha256_of(path),
        device=bench.device,
        runtime=how.runtime(path, session.opened),
        threads=threads,
        seconds=round(ended_s, 3),
        windows=tuple(windows),
        conditions={
            **told,
            "remarks": [*([from_the_start] if from_the_start else []), *told["remarks"]],
            **{
                "before": looks[0],
                "after": looks[-1],
                "notes": notes,
                "pinned": bench.plan.cores,
                "device": bench.info.as_json(),
            },
            **({"interpreter": why} if (why := how.why_interpreter(session.opened)) else {}),
        },
    )
