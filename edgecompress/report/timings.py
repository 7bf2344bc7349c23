"""Measurements as a report shows them: by setting, in milliseconds, with the operators and conditions apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecompress.profiling.statistics import summarize
from edgecompress.report.content import Conditions, Interval, Setting, SlowOperators, Timing
from edgecompress.values import InstructionCount, Measurement, Sustained

OPERATORS = 5  # rows of a table of slow operators
NS_PER_MS = 1e6
OF_ONE_FILE = {"operators", "warm_up", "median_half_width", "precise", "library_ns", "interleaved", "interpreter"} | {
    "blocks",
    "disturbed_blocks",
    "others_cores",
    "kernels",
}
ELSEWHERE = {"before", "during", "after", "line", "remarks"}


def settings_of(measurements: Sequence[Measurement]) -> tuple[Setting, ...]:
    """Return the settings: devices in the order in which they were measured, the fewest threads first."""
    devices = list(dict.fromkeys(each.device for each in measurements))
    found = {setting_of(each) for each in measurements}
    return tuple(sorted(found, key=lambda setting: (devices.index(setting.device), setting.threads)))


def setting_of(measurement: Measurement) -> Setting:
    """Return where and how a file was measured."""
    return Setting(measurement.device, measurement.threads)


def timing_of(measurement: Measurement) -> Timing:
    """Return the figures of a measurement in milliseconds."""
    steady = summarize(measurement.samples_ns)  # of the samples themselves: earlier versions had other intervals
    session = "" if measurement.invalid else str(measurement.conditions.get("began", ""))
    p50_ms = Interval(
        steady.p50_ns / NS_PER_MS,
        None if steady.p50_low_ns is None else steady.p50_low_ns / NS_PER_MS,
        None if steady.p50_high_ns is None else steady.p50_high_ns / NS_PER_MS,
        tuple(float(np.median(series)) / NS_PER_MS for series in measurement.samples_ns),
        session,
    )
    return Timing(
        setting=setting_of(measurement),
        runtime=measurement.runtime,
        processes=measurement.processes,
        p50_ms=p50_ms,
        p5_ms=steady.p5_ns / NS_PER_MS,
        p90_ms=steady.p90_ns / NS_PER_MS,
        p99_ms=steady.p99_ns / NS_PER_MS,
        load_ms=_median_and_extremes(
            [sum(each) for each in zip(measurement.load_ns, measurement.compile_ns, strict=True)], session
        ),
        first_ms=_median_and_extremes(measurement.first_ns, session),
        model_memory_bytes=measurement.model_memory_bytes,
        precise=bool(measurement.conditions.get("precise", True)),
        invalid=measurement.invalid,
        remarks=remarks_of(measurement),
    )


def remarks_of(figures: Measurement | InstructionCount | Sustained) -> tuple[str, ...]:
    """Return what was unusual about the conditions."""
    found = figures.conditions.get("remarks", ())
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()


def slow_operators_of(measurement: Measurement) -> SlowOperators:
    """Return the operators that take the most time, the slowest first."""
    return SlowOperators(
        artifact=measurement.artifact,
        setting=setting_of(measurement),
        note=str(measurement.conditions.get("operators", "")),
        total_ns=sum(operator.time_ns for operator in measurement.operators),
        slowest=tuple(sorted(measurement.operators, key=lambda operator: -operator.time_ns)[:OPERATORS]),
    )


def conditions_of(measurements: Sequence[Measurement], setting: Setting) -> Conditions:
    """Return what held in a setting; files that were measured against one another share it."""
    found = next(each.conditions for each in measurements if setting_of(each) == setting)
    shared = {key: value for key, value in found.items() if key not in OF_ONE_FILE | ELSEWHERE}
    before, after = (value if isinstance(value, dict) else {} for value in (found.get("before"), found.get("after")))
    return Conditions(setting, {**before, **shared}, {**after, **shared}, str(found.get("line", "")))


def _median_and_extremes(nanoseconds: Sequence[int], session: str) -> Interval | None:
    if not nanoseconds:
        return None
    each_ms = tuple(each / NS_PER_MS for each in nanoseconds)
    return Interval(float(np.median(each_ms)), min(each_ms), max(each_ms), each_ms, session)
