"""`csv:FILE`: a table of image files and their labels, with a column that divides them if there is one.

A label is a class; or each of several columns holds a number that should be answered.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from edgecompress.data.base import Dataset, Loader, Request
from edgecompress.data.files.labelled import KINDS, LabelledFile, read_labelled
from edgecompress.errors import DataError

PATH, LABEL, KIND = ("path", "file", "filename", "image"), ("label", "class"), ("split", "set")
MOST_BYTES = 1 << 28
SPELLINGS = {"train": "train", "training": "train", "test": "test", "val": "val", "validation": "val", "valid": "val"}
_LAYOUT = (
    "The first row names the columns: path and label, or path and any names of numbers, and perhaps split, which is "
    "train, test or val. Paths are from the table's folder."
)


@dataclass(frozen=True)
class _Columns:
    """The names of the columns, as the table spells them."""

    path: str
    labels: tuple[str, ...]
    kind: str | None
    numbers: bool  # whether the labels are


@dataclass(frozen=True)
class _Row:
    path: Path
    labels: tuple[str, ...]
    numbers: tuple[float, ...]
    kind: str


def read(request: Request) -> Dataset:
    """Read a table; the labels, sorted, are the classes, numbers by their value; names of numbers are in their order.

    Raises:
        DataError: no such file, no columns of a path and a label, a row without either, a file that is not there, or
            what `read_labelled` raises.
    """
    rows, columns = _rows(request.path, answers=bool(request.answers))
    if not rows:
        raise DataError(f"{request.path} has no row below its first.", hint=_LAYOUT)
    has_kinds = columns.kind is not None
    if columns.numbers:
        names = tuple(name.strip() for name in columns.labels)
        files = [LabelledFile(row.path, row.numbers, row.kind) for row in rows]
    else:
        names = tuple(sorted({row.labels[0] for row in rows}, key=_in_order))
        numbers = {name: number for number, name in enumerate(names)}
        files = [LabelledFile(row.path, numbers[row.labels[0]], row.kind) for row in rows]
    missing = [each.path for each in files if not each.path.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise DataError(f"{request.path} names files that are not there: {missing[0]}{more}.", hint=_LAYOUT)
    if has_kinds and {"train", "test"} - {each.kind for each in files}:
        raise DataError(f"{request.path} divides its images, and has none to train or none to test.", hint=_LAYOUT)
    return read_labelled(files, names, request, source=str(request.path), divided=has_kinds)


def _rows(table: Path, *, answers: bool) -> tuple[list[_Row], _Columns]:
    if not table.is_file():
        raise DataError(f"There is no file {table}.", hint=_LAYOUT)
    if table.stat().st_size > MOST_BYTES:
        raise DataError(f"{table} is larger than {MOST_BYTES >> 20} MiB.", hint=_LAYOUT)
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = _columns(table, [str(name) for name in reader.fieldnames or ()], answers=answers)
            return [_row(table, reader.line_num, row, columns) for row in reader], columns
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} is no table: {error}.", hint=_LAYOUT) from error


def _columns(table: Path, names: list[str], *, answers: bool) -> _Columns:
    spelled = {name.strip().lower(): name for name in names}
    path, label, kind = (
        next((spelled[name] for name in known if name in spelled), None) for known in (PATH, LABEL, KIND)
    )
    others = tuple(name for name in names if name.strip() and name not in (path, kind))
    if path is not None and label is not None:
        return _Columns(path, (label,), kind, answers)
    if path is None or not others or len(set(others)) < len(others):
        raise DataError(f"{table} has the columns {', '.join(names) or 'none'}.", hint=_LAYOUT)
    return _Columns(path, others, kind, True)


def _row(table: Path, line: int, row: dict[str, str | None], columns: _Columns) -> _Row:
    path, *labels = ((row[name] or "").strip() for name in (columns.path, *columns.labels))
    if not path or not all(labels):
        lacking = "path" if not path else "label" if not columns.numbers else "number in some column"
        raise DataError(f"{table}, line {line}: there is no {lacking}.", hint=_LAYOUT)
    part = (row[columns.kind] or "").strip().lower() if columns.kind else "train"
    if part not in SPELLINGS:
        raise DataError(f"{table}, line {line}: '{part}' is none of {', '.join(KINDS)}.", hint=_LAYOUT)
    numbers = tuple(_number(table, line, text) for text in labels) if columns.numbers else ()
    return _Row(table.parent / path, tuple(labels), numbers, SPELLINGS[part])


def _number(table: Path, line: int, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise DataError(f"{table}, line {line}: '{text}' is no number.", hint=_LAYOUT)
    return found


def _in_order(label: str) -> tuple[int, int, str]:
    return (0, int(label), label) if label.isascii() and label.isdigit() and len(label) < 10 else (1, 0, label)


CSV = Loader("csv", "a table with a path and a label a row, and perhaps a split", read, takes_path=True)
