"""The measurement: several processes, warm, artifacts interleaved, until precise or at a cap, in known conditions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.errors import DeviceError
from edgecompress.profiling.bench import Bench
from edgecompress.profiling.conditions.busy import (
    cores_may_be_halves,
)
from edgecompress.profiling.conditions.cool_down import cool_down
from edgecompress.profiling.conditions.standing import standing, why_unfit
from edgecompress.profiling.conditions.validity import why_invalid
from edgecompress.profiling.losses import OnFailure, once_more
from edgecompress.profiling.plan import Plan
from edgecompress.profiling.statistics import median_half_width
from edgecompress.profiling.track import Track
from edgecompress.progress import Progress, silent
from edgecompress.values import Measurement

LOOK_S = 2.0  # between looks at the device while it measures; each takes the time of a few blocks


def profile(
    bench: Bench, paths: Sequence[Path], *, on_progress: Progress = silent, on_failure: OnFailure | None = None
) -> tuple[Measurement, ...]:
    """Measure artifacts on a device against one another; a measurement each, for one thread count after another.

    Each round starts one process an artifact, in a random order, warms each up, and then times short blocks, the
    artifacts by turns in a random order, so that what slows the device slows all. A block in which the device had other
    work is set aside. A round in which it had much of it, or slowed itself down for its heat, is repeated after a
    while; if it is no better, the measurements say that they are invalid, and why.

    A device that goes away in the middle of a round is waited for, once a measurement, and the round is repeated.

    A file that fails is told to `on_failure` and left out, and so is what a device that fails had left to do; processes
    that were whole by then make a measurement.

    Raises ModelFileError, RuntimeRefusal, UnsupportedModelError or DeviceError where there is no `on_failure`.
    """
    measurements: list[Measurement] = []
    try:
        for measured in _by_threads(bench, paths, on_progress, on_failure):
            measurements += measured
    except DeviceError as error:
        if on_failure is None:
            raise
        on_failure(None, error)
    return tuple(measurements)


def _by_threads(
    bench: Bench, paths: Sequence[Path], on_progress: Progress, on_failure: OnFailure | None
) -> Iterator[list[Measurement]]:
    plan = bench.plan
    generator = np.random.default_rng(plan.seed)
    first: dict[str, Any] = {}
    rounds_done, rounds = 0, plan.processes * len(plan.threads)
    for threads in plan.threads:
        tracks = [Track(bench, path, threads, on_failure) for path in paths]
        looks: list[dict[str, Any]] = []
        began = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        notes = bench.notes
        gone: DeviceError | None = None
        done = 0  # rounds that are whole
        try:
            while done < plan.processes:
                report = _percent(on_progress, f"{bench.device}, threads: {threads}", rounds_done, rounds)
                rounds_done += 1
                one = partial(_round, bench, tracks, looks, generator, report, last=done + 1 == plan.processes)
                forget = partial(_forget_all_but, tracks, done)
                heat, busy = once_more(bench, one, forget, notes=notes, on_progress=on_progress)
                for track in tracks:
                    track.invalid = track.invalid or why_unfit(looks)
                for _ in range(plan.repeats):
                    if not (heat or busy) or any(track.invalid for track in tracks):  # then no round can save it
                        break
                    notes.append(f"a round was repeated: {heat or busy}")
                    report(0.0)
                    if heat:
                        cool_down(bench.look, looks[0], longest_s=plan.cool_down_s)
                    else:
                        time.sleep(plan.busy_pause_s)
                    forget()
                    heat, busy = once_more(bench, one, forget, notes=notes, on_progress=on_progress)
                for track in tracks:
                    track.invalid = track.invalid or heat or busy
                done += 1
        except DeviceError as error:
            if not done or on_failure is None:
                raise
            gone = error
            _forget_all_but(tracks, done)
            notes.append(f"{done} of {plan.processes} processes: {error.message}")
        first = first or looks[0]  # later ones have the load of what was measured before
        readings = [reading for track in tracks for reading in track.clock_readings()]
        cores = next((track.cores for track in tracks), bench.mask)
        conditions = {
            **standing(looks, first=first, threads=threads, cores=cores, readings=readings),
            **{"before": looks[0], "during": looks[1:-1], "after": looks[-1], "notes": notes, "seed": plan.seed},
            "began": began,
            **{"pinned": plan.cores, "mask": f"{bench.mask:x}", "device": bench.info.as_json()},
            "interleaved": [str(track.path) for track in tracks],
        }
        yield [track.measurement(conditions) for track in tracks]
        if gone:
            raise gone
        paths = [track.path for track in tracks]


def _round(
    bench: Bench,
    tracks: list[Track],
    looks: list[dict[str, Any]],
    generator: np.random.Generator,
    report: Callable[[float], None],
    *,
    last: bool,
) -> tuple[str, str]:
    """Measure one process of each track; return why their samples must not be believed, for heat and for other work.

    Tracks that fail are taken out of `tracks`.
    """
    before = bench.look()
    own, halves = [before], cores_may_be_halves(before)
    try:
        for index in generator.permutation(len(tracks)):
            with tracks[index].alone():
                tracks[index].start()
        _drop_lost(tracks)
        looked_s = time.monotonic()
        while not _reached(bench.plan, tracks, report) and not any(track.is_hopeless(halves) for track in tracks):
            for index in generator.permutation(len(tracks)):
                with tracks[index].alone():
                    tracks[index].time_block()
            _drop_lost(tracks)
            if time.monotonic() - looked_s > LOOK_S:
                own.append(bench.look())
                looked_s = time.monotonic()
        own.append(bench.look())
        busy = next((why for track in tracks if (why := track.why_busy(halves))), "")
        for track in tracks:
            if busy:
                track.keep_disturbed()
            with track.alone():
                track.finish(with_operators=last)
        _drop_lost(tracks)
    finally:
        bench.abort()
    looks += own
    heat = why_invalid(before, own[1:], [reading for track in tracks for reading in track.clock_readings()])
    return heat, busy


def _forget_all_but(tracks: list[Track], rounds: int) -> None:
    for track in tracks:
        track.forget_all_but(rounds)


def _drop_lost(tracks: list[Track]) -> None:
    tracks[:] = [track for track in tracks if not track.lost]


def _reached(plan: Plan, tracks: Sequence[Track], report: Callable[[float], None]) -> bool:
    """Whether each artifact has enough samples and a median known well enough, or one of them is at the cap."""
    if not tracks:
        return True
    samples = [track.samples_ns() for track in tracks]
    seconds = [track.spent_s() for track in tracks]
    capped = max(seconds) >= plan.max_seconds
    enough = capped or all(
        len(each) >= plan.min_runs and spent >= plan.min_seconds and median_half_width(each) <= plan.half_width
        for each, spent in zip(samples, seconds, strict=True)
    )
    report(1.0 if enough else max(seconds) / plan.max_seconds)
    return enough


def _percent(on_progress: Progress, what: str, rounds_done: int, rounds: int) -> Callable[[float], None]:
    return lambda share: on_progress(what, 100 * rounds_done + int(100 * share), 100 * rounds)
