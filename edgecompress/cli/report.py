"""`edgecompress report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from edgecompress.cli.output import json_option, print_json, print_line, print_table, progress_bars

if TYPE_CHECKING:
    from edgecompress.report.write import Report

SHOWN = ("zstd_bytes", "accuracy", "drop", "p50_ms")  # of the columns; the pages have all


@click.command("report")
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@json_option
def command(run_folder: Path, as_json: bool) -> None:
    """Write what is known about the files of RUN into RUN/report: report.html, report.md, report.json and plots.

    Example: edgecompress report runs/m1
    """
    from edgecompress.report.write import write_report
    from edgecompress.runs.folder import open_run

    with progress_bars() as progress:
        report = write_report(open_run(run_folder), on_progress=progress)
    show_report(report, run_folder, as_json=as_json)


def show_report(report: Report, run_folder: Path, *, as_json: bool) -> None:
    """Print a report: the document, or its table, its notices, and where the pages lie."""
    from edgecompress.report.columns import table

    if as_json:
        print_json(report.document())
        return
    content = report.content
    rows = [
        (row, [(column, cell) for column, cell in cells if column.key.startswith(SHOWN)])
        for row, cells in table(content)
    ]
    columns = ["file", *(column.title for column, _ in rows[0][1]), "Pareto front"]
    print_table(
        content.title,
        columns,
        [[row.artifact, *(cell.text for _, cell in cells), "yes" if row.pareto else ""] for row, cells in rows],
    )
    for notice in content.notices:
        run = f": run {notice.command}" if notice.command else ""
        print_line(f"{notice.text}{run}")
    for path in report.paths.values():
        print_line(str(path))
