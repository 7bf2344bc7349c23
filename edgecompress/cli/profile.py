"""`edgecompress profile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from edgecompress.cli.output import json_option, print_json, print_table, progress_bars

if TYPE_CHECKING:
    from edgecompress.values import Measurement


@click.command("profile")
@click.argument("sources", metavar="RUN|FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--on", "devices", multiple=True, default=("local",), show_default=True, help="Device; may be repeated.")
@click.option(
    "--threads", multiple=True, type=click.IntRange(1, 64), default=(1,), show_default=True, help="May be repeated."
)
@click.option("--processes", type=click.IntRange(1), default=3, show_default=True, help="Processes an artifact.")
@click.option("--operators", type=click.IntRange(0), default=5, show_default=True, help="Rows of the operator tables.")
@json_option
def command(
    sources: tuple[Path, ...],
    devices: tuple[str, ...],
    threads: tuple[int, ...],
    processes: int,
    operators: int,
    as_json: bool,
) -> None:
    """Measure a RUN's files, or FILEs, interleaved: load, first inference, steady state, memory, operators.

    Example: edgecompress profile runs/m1 --on local --threads 1 --threads 2
    """
    from edgecompress.errors import RunFolderError
    from edgecompress.pipeline.profile import profile_files, profile_run
    from edgecompress.runs import open_run

    folders = [source for source in sources if source.is_dir()]
    if folders and len(sources) > 1:
        raise RunFolderError("A run folder cannot be mixed with files.", hint="Give one run folder, or files.")
    with progress_bars() as progress:
        if folders:
            found = profile_run(
                open_run(folders[0]), devices=devices, threads=threads, processes=processes, on_progress=progress
            )
        else:
            found = profile_files(
                list(sources), devices=devices, threads=threads, processes=processes, on_progress=progress
            )
    if as_json:
        print_json(found)
        return
    columns = ["file", "threads", "p50 ms", "95 % interval", "p5", "p90", "p99", "load ms", "first ms", "memory MiB"]
    print_table(f"On {', '.join(devices)}; {found[0].processes} processes each", columns, [_row(m) for m in found])
    for count in threads:
        _print_comparison([measurement for measurement in found if measurement.threads == count])
    for measurement in found:
        if operators and measurement.operators and measurement.threads == min(threads):
            _print_operators(measurement, operators)


def _row(measurement: Measurement) -> list[str]:
    steady = measurement.steady
    return [
        measurement.artifact,
        str(measurement.threads),
        _ms(steady.p50_ns),
        f"{_ms(steady.p50_low_ns)} .. {_ms(steady.p50_high_ns)}",
        _ms(steady.p5_ns),
        _ms(steady.p90_ns),
        _ms(steady.p99_ns),
        _ms(sorted(measurement.load_ns)[len(measurement.load_ns) // 2]),
        _ms(sorted(measurement.first_ns)[len(measurement.first_ns) // 2]),
        f"{measurement.model_memory_bytes / 2**20:.1f}",
    ]


def _print_comparison(measured: list[Measurement]) -> None:
    """Print how the files compare with the first, from the interleaved samples themselves."""
    from edgecompress.profiling.statistics import compare

    first, *others = measured
    rows = []
    for other in others:
        found = compare(first.samples_ns, other.samples_ns)
        low, high = 100 * (found.low - 1), 100 * (found.high - 1)
        rows.append([other.artifact, f"{100 * (found.ratio - 1):+.1f}", f"{low:+.1f} .. {high:+.1f}", found.verdict])
    if rows:
        columns = ["file", "time %", "95 % interval", "verdict"]
        print_table(f"Against {first.artifact}, {first.threads} thread(s)", columns, rows)


def _print_operators(measurement: Measurement, count: int) -> None:
    total = sum(operator.mean_ns for operator in measurement.operators) or 1.0
    slowest = sorted(measurement.operators, key=lambda operator: -operator.mean_ns)[:count]
    rows = [[o.name[:60], o.kind, _ms(o.mean_ns), f"{100 * o.mean_ns / total:.1f}"] for o in slowest]
    print_table(f"Slowest operators of {measurement.artifact}", ["operator", "kind", "ms", "%"], rows)


def _ms(nanoseconds: float) -> str:
    return f"{nanoseconds / 1e6:.3f}"
