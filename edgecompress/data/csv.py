"""`csv:FILE`: a table of image files and their labels, with a column that divides them if there is one."""

from __future__ import annotations

import csv
from pathlib import Path

from edgecompress.data.base import Dataset, Loader, Request
from edgecompress.data.files.labelled import KINDS, LabelledFile, read_labelled
from edgecompress.errors import DataError

PATH, LABEL, KIND = ("path", "file", "filename", "image"), ("label", "class"), ("split", "set")
MOST_BYTES = 1 << 28
SPELLINGS = {"train": "train", "training": "train", "test": "test", "val": "val", "validation": "val", "valid": "val"}
_LAYOUT = (
    "The first row names the columns: path and label, and perhaps split, which is train, test or val. Paths are from "
    "the table's folder."
)


def read(request: Request) -> Dataset:
    """Read a table; the labels, sorted, are the classes, numbers by their value.

    Raises:
        DataError: no such file, no columns of a path and a label, a row without either, a file that is not there, or
            what `read_labelled` raises.
    """
    rows, has_kinds = _rows(request.path)
    if not rows:
        raise DataError(f"{request.path} has no row below its first.", hint=_LAYOUT)
    names = tuple(sorted({label for _, label, _ in rows}, key=_in_order))
    numbers = {name: number for number, name in enumerate(names)}
    files = [LabelledFile(path, numbers[label], kind) for path, label, kind in rows]
    missing = [each.path for each in files if not each.path.is_file()]
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise DataError(f"{request.path} names files that are not there: {missing[0]}{more}.", hint=_LAYOUT)
    if has_kinds and {"train", "test"} - {each.kind for each in files}:
        raise DataError(f"{request.path} divides its images, and has none to train or none to test.", hint=_LAYOUT)
    return read_labelled(files, names, request, source=str(request.path), divided=has_kinds)


def _rows(table: Path) -> tuple[list[tuple[Path, str, str]], bool]:
    """The path, label and part of each row, and whether the table has a column for the latter."""
    if not table.is_file():
        raise DataError(f"There is no file {table}.", hint=_LAYOUT)
    if table.stat().st_size > MOST_BYTES:
        raise DataError(f"{table} is larger than {MOST_BYTES >> 20} MiB.", hint=_LAYOUT)
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = {str(name).strip().lower(): name for name in reader.fieldnames or ()}
            path, label, kind = (
                next((columns[name] for name in names if name in columns), None) for names in (PATH, LABEL, KIND)
            )
            if path is None or label is None:
                raise DataError(f"{table} has the columns {', '.join(columns) or 'none'}.", hint=_LAYOUT)
            found = [_row(table, reader.line_num, row, path, label, kind) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} is no table: {error}.", hint=_LAYOUT) from error
    return found, kind is not None


def _row(
    table: Path, line: int, row: dict[str, str | None], path: str, label: str, kind: str | None
) -> tuple[Path, str, str]:
    texts = [(row[name] or "").strip() for name in (path, label)]
    if not all(texts):
        raise DataError(f"{table}, line {line}: there is no {'path' if not texts[0] else 'label'}.", hint=_LAYOUT)
    part = (row[kind] or "").strip().lower() if kind else "train"
    if part not in SPELLINGS:
        raise DataError(f"{table}, line {line}: '{part}' is none of {', '.join(KINDS)}.", hint=_LAYOUT)
    return table.parent / texts[0], texts[1], SPELLINGS[part]


def _in_order(label: str) -> tuple[int, int, str]:
    return (0, int(label), label) if label.isascii() and label.isdigit() and len(label) < 10 else (1, 0, label)


CSV = Loader("csv", "a table with a path and a label a row, and perhaps a split", read, takes_path=True)
