"""What commands print on standard output: one JSON document, or tables; and errors, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import rich_click as click

from edgecompress.cli.reporting import Reporter, progress_bars
from edgecompress.cli.verbosity import verbosity_options

__all__ = [
    "Reporter",
    "json_option",
    "kib",
    "print_error",
    "print_json",
    "print_line",
    "print_table",
    "printable",
    "progress_bars",
    "shown",
    "take_documents",
]

NAME_WIDTH = 40
_GAP = "  "  # between the columns of a table in a pipe
_documents: list[str] = []  # printed by the command that runs: one, or none as yet


def json_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--json`, and with it `--quiet` and `--verbose`: what every command has."""
    words = "Print one JSON document with stable keys."
    return click.option("--json", "as_json", is_flag=True, help=words)(verbosity_options(command))


def print_json(value: Any) -> None:
    """Print a value as the one document on standard output."""
    from edgecompress.storage import to_json

    _documents.append(to_json(value))
    sys.stdout.write(_documents[-1])


def take_documents() -> int:
    """Return how many documents were printed since this was last asked: an error is another one only where none was."""
    count = len(_documents)
    _documents.clear()
    return count


def print_error(message: str, hint: str = "") -> None:
    """Print an error, and what to try, on standard error."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, highlight=False, soft_wrap=True).print(
        Text.assemble(("Error: ", "bold red"), _harmless(message), _harmless(f" {hint}" if hint else ""))
    )


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; columns after the first are aligned to the right where they hold numbers.

    On a terminal long cells are folded to its width. Everywhere else a row is a line, however long, and no lines are
    drawn.
    """
    numeric = [index > 0 and all(_is_number(row[index]) for row in rows) for index in range(len(columns))]
    rows = [[printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        _print_plain(title, columns, rows, numeric)
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(printable(title)), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column, right in zip(columns, numeric, strict=True):
        table.add_column(Text(column), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def _print_plain(title: str, columns: list[str], rows: list[list[str]], numeric: list[bool]) -> None:
    from rich.cells import cell_len

    lines = [columns, *rows]
    widths = [max(cell_len(line[index]) for line in lines) for index in range(len(columns))]
    print_line(printable(title))
    for line in lines:
        padded = []
        for cell, width, right in zip(line, widths, numeric, strict=True):
            padding = " " * (width - cell_len(cell))
            padded.append(padding + cell if right else cell + padding)
        print_line(f"{_GAP}{_GAP.join(padded)}".rstrip())
    print_line("")


def print_line(text: str) -> None:
    """Print a line of text as it is, but for what could move a terminal's cursor."""
    click.echo(_harmless(text))


def kib(size_bytes: float) -> str:
    """Return a size in KiB of 1024 bytes, with one decimal."""
    return f"{size_bytes / 1024:.1f}"


def shown(text: str, width: int = NAME_WIDTH) -> str:
    """Text of a file as it can be printed: no control characters, and long ones without their middle."""
    if len(text) > width:
        head = width // 3
        text = f"{text[:head]}…{text[head + 1 - width :]}"
    return printable(text)


def printable(text: str) -> str:
    """Return text on one line, with nothing in it that could move a terminal's cursor."""
    text = text.encode(errors="backslashreplace").decode()  # names of files need not be UTF-8
    return "".join(character if character.isprintable() else "?" for character in text)


def _harmless(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _is_number(text: str) -> bool:
    return not text.strip("-+.,%x 0123456789") or text == "-"
