"""What commands print: one JSON document, or tables; progress bars on standard error, if that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rich_click as click

from edgecompress.progress import Progress, silent

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document with stable keys.")
NAME_WIDTH = 40
QUIET_S = 2.0  # a bar appears for what takes longer than this


def print_json(value: Any) -> None:
    """Print a value as the one document on standard output."""
    from edgecompress.storage import to_json

    sys.stdout.write(to_json(value))


def print_error(message: str, hint: str = "") -> None:
    """Print an error, and what to try, on standard error."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, highlight=False, soft_wrap=True).print(
        Text.assemble(("Error: ", "bold red"), message, f" {hint}" if hint else "")
    )


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; columns after the first are aligned to the right where they hold numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        numeric = index > 0 and all(_is_number(row[index]) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)


def print_line(text: str) -> None:
    """Print a line of text as it is."""
    click.echo(text)


def kib(size_bytes: float) -> str:
    """Return a size in KiB of 1024 bytes, with one decimal."""
    return f"{size_bytes / 1024:.1f}"


def shown(text: str, width: int = NAME_WIDTH) -> str:
    """Text of a file as it can be printed: no control characters, and long ones without their middle."""
    if len(text) > width:
        head = width // 3
        text = f"{text[:head]}…{text[head + 1 - width :]}"
    return "".join(character if character.isprintable() else "?" for character in text)


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Yield a `Progress` that draws a bar for work that takes longer than two seconds, if a person is looking."""
    if not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _bar(bars)


def _bar(bars: Any) -> Callable[[str, int, int], None]:
    started: dict[str, float] = {}
    tasks: dict[str, Any] = {}

    def report(what: str, done: int, total: int) -> None:
        begin = started.setdefault(what, time.monotonic())
        if what not in tasks and time.monotonic() - begin > QUIET_S:
            tasks[what] = bars.add_task(what, total=total)
        if what in tasks:
            bars.update(tasks[what], completed=done, total=total)
            if done >= total:
                bars.remove_task(tasks.pop(what))
                started.pop(what)

    return report


def _is_number(text: str) -> bool:
    return not text.strip("-+.,%x 0123456789") or text == "-"
