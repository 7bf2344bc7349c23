"""What `edgecompress profile` prints."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from edgecompress.cli.output import print_line, print_table

if TYPE_CHECKING:
    from edgecompress.pipeline.on_devices.profile import Profiled
    from edgecompress.values import InstructionCount, Measurement, Sustained

ROWS = 20  # of a sustained measurement


def print_profiled(found: Profiled, operators: int) -> None:
    """Print one table a device, the comparisons, and the slowest operators."""
    for device, group in groupby(found.measurements, key=lambda each: each.device):
        _print_measurements(device, list(group), operators)
    for device, counts in groupby(found.instructions, key=lambda each: each.device):
        _print_instructions(device, list(counts))
    for series in found.sustained:
        _print_sustained(series)


def _print_measurements(device: str, found: list[Measurement], operators: int) -> None:
    runners = ", ".join(dict.fromkeys(each.runner for each in found))
    columns = ["file", "threads", "p50 ms", "95 % interval", "p5", "p90", "p99", "load ms", "first ms", "memory MiB"]
    processes = f"{found[0].processes} process{'es' if found[0].processes > 1 else ''}"
    title = f"On {device} ({device_label(found[0])}); {processes} each, {runners} runner"
    print_table(title, columns, [_row(measurement) for measurement in found])
    _print_conditions(device, found)
    for note in dict.fromkeys(note for each in found for note in each.conditions.get("notes", ())):
        print_line(f"On {device}, {note}.")
    for each in found:
        if why := each.conditions.get("interpreter"):
            print_line(
                f"{each.artifact}, {each.threads} thread(s), ran in the runtime's interpreter: {str(why).rstrip('.')}."
            )
        if each.invalid:
            print_line(f"INVALID: {each.artifact}, {each.threads} thread(s): {each.invalid}.")
    for threads, group in groupby(found, key=lambda each: each.threads):
        _print_comparison(threads, list(group))
    for each in found:
        if operators and each.operators and each.threads == found[0].threads:
            _print_operators(each, operators)


def _print_conditions(device: str, found: Sequence[Measurement | InstructionCount | Sustained]) -> None:
    """Print the line of conditions, one a thread count where they differ, and what was unusual."""
    lines = list(dict.fromkeys((each.threads, str(each.conditions.get("line", ""))) for each in found))
    for threads, line in lines:
        if line:
            print_line(f"Conditions{f', {threads} thread(s)' if len(lines) > 1 else ''}: {line}.")
    for remark in dict.fromkeys(remark for each in found for remark in each.conditions.get("remarks", ())):
        print_line(f"On {device}, {remark}.")
    for artifact, cost in dict.fromkeys((each.artifact, each.conditions.get("kernels")) for each in found):
        if cost:
            print_line(f"{artifact}: {cost}.")


def device_label(measurement: Measurement) -> str:
    """Say what a device is, beside its address."""
    about = measurement.conditions.get("device", {})
    parts = (about.get("model") or about.get("soc") or about.get("machine"), about.get("system"))
    return ", ".join(part for part in parts if part) or "unknown"


def ms(nanoseconds: float) -> str:
    """Return milliseconds with three decimals."""
    return f"{nanoseconds / 1e6:.3f}"


def _row(measurement: Measurement) -> list[str]:
    steady, middle = measurement.steady, len(measurement.load_ns) // 2
    ready_ns = sorted(load + made for load, made in zip(measurement.load_ns, measurement.compile_ns, strict=True))
    return [
        measurement.artifact,
        str(measurement.threads),
        ms(steady.p50_ns),
        _interval(measurement),
        ms(steady.p5_ns),
        ms(steady.p90_ns),
        ms(steady.p99_ns),
        ms(ready_ns[middle]),
        ms(sorted(measurement.first_ns)[middle]),
        f"{measurement.model_memory_bytes / 2**20:.1f}",
    ]


def _interval(measurement: Measurement) -> str:
    low_ns, high_ns = measurement.steady.p50_low_ns, measurement.steady.p50_high_ns
    return "none: 1 process" if low_ns is None or high_ns is None else f"{ms(low_ns)} .. {ms(high_ns)}"


def _print_comparison(threads: int, measured: list[Measurement]) -> None:
    """Print how the files compare with the first, from the interleaved samples themselves."""
    from edgecompress.profiling.statistics import compare

    first, *others = measured
    if not others or first.processes < 2:
        return
    rows = []
    for other in others:
        found = compare(first.samples_ns, other.samples_ns, comparisons=len(others))
        verdict = "invalid" if first.invalid or other.invalid else found.verdict
        low, high = 100 * (found.low - 1), 100 * (found.high - 1)
        rows.append([other.artifact, f"{100 * (found.ratio - 1):+.1f}", f"{low:+.1f} .. {high:+.1f}", verdict])
    columns = ["file", "time %", "98 % interval" + (" (all together)" if len(others) > 1 else ""), "verdict"]
    print_table(f"Against {first.artifact}, {threads} thread(s)", columns, rows)


def _print_operators(measurement: Measurement, count: int) -> None:
    """Print the slowest; of the names that a converter has joined for what it fused, the first."""
    total = sum(operator.time_ns for operator in measurement.operators) or 1.0
    slowest = sorted(measurement.operators, key=lambda operator: -operator.time_ns)[:count]
    rows = [
        [o.name.partition(";")[0][:60], o.kind[:60], f"{o.time_ns / 1000:.1f}", f"{100 * o.time_ns / total:.1f}"]
        for o in slowest
    ]
    print_table(f"Slowest operators of {measurement.artifact}", ["layer", "kind", "µs", "%"], rows)
    print_line(f"{measurement.artifact}: {measurement.conditions.get('operators', '')}.")


def _print_instructions(device: str, found: list[InstructionCount]) -> None:
    rows = []
    for each in found:
        medians = [statistics.median(own) for own in each.counts]
        spread = 100 * (max(medians) - min(medians)) / each.instructions
        against = f"{each.instructions / found[0].instructions:.3f}"
        rows.append([each.artifact, each.runtime, f"{each.instructions:,}", f"{spread:.3f}", against])
    columns = ["file", "runtime", "instructions", "between processes %", "against first"]
    print_table(f"Instructions of an inference on {device} (a count, not a time)", columns, rows)
    _print_conditions(device, found)


def _print_sustained(series: Sustained) -> None:
    """Print every so many windows, and how the end compares with the beginning."""
    from edgecompress.profiling.sustained import thirds_ns

    windows = series.windows
    step = max(1, -(-len(windows) // ROWS))
    rows = [
        [
            f"{window.start_s:.0f}",
            ms(window.p50_ns),
            ms(window.p90_ns),
            "-" if window.clock_mhz is None else f"{window.clock_mhz:.0f}",
            "-" if window.temperature_c is None else f"{window.temperature_c:.1f}",
        ]
        for window in windows[::step]
    ]
    title = f"{series.artifact} on {series.device}, {series.threads} thread(s), without a pause"
    print_table(title, ["after s", "p50 ms", "p90 ms", "clock MHz", "hottest C"], rows)
    _print_conditions(series.device, [series])
    first, last = thirds_ns(series)
    print_line(f"Time of an inference in the last third against the first: {100 * (last / first - 1):+.1f} %.")
