"""The columns of the main table: how each is read from a row, which direction is better, and how it is written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from edgecompress.report.content import Content, Interval, Row, Setting, Timing
from edgecompress.report.ranking import Wrong, pareto_front, rank

KIB, MIB = 2**10, 2**20
DIGITS = 3  # significant ones of the smallest figure in a column that has no fixed decimals


@dataclass(frozen=True)
class Column:
    """A figure that every row may have."""

    key: str
    heading: str
    unit: str
    read: Callable[[Row], Interval | None]
    larger_is_better: bool = False
    decimals: int | None = None  # None: as the smallest figure needs
    signed: bool = False
    where: str = ""  # the setting of what was timed
    quantiles: Callable[[Row], tuple[float, ...]] | None = None  # p5, p90, p99
    compared: Callable[[Row], Interval | None] | None = None  # what is ranked, smaller being better, if not the figure

    @property
    def title(self) -> str:
        """Return heading, unit and setting on one line."""
        return f"{self.heading}, {self.unit}{f' ({self.where})' if self.where else ''}"


@dataclass(frozen=True)
class Cell:
    """One figure of one row, as text."""

    text: str = ""
    bounds: str = ""
    quantiles: str = ""
    mark: str = ""


def columns(settings: tuple[Setting, ...], metric: str = "accuracy") -> tuple[Column, ...]:
    """Return the columns; how right files are is called `metric`.

    Load, first inference and memory are those of the first setting.
    """
    return (
        Column("raw_bytes", "raw", "KiB", lambda row: _exact(row.sizes.raw_bytes / KIB), decimals=1),
        Column("gzip_bytes", "gzip -9", "KiB", lambda row: _exact(row.sizes.gzip_bytes / KIB), decimals=1),
        Column("zstd_bytes", "zstd -19", "KiB", lambda row: _exact(row.sizes.zstd_bytes / KIB), decimals=1),
        Column("accuracy", metric, "%", _accuracy, True, decimals=2, compared=_wrong),
        Column("drop", "drop", "points", _drop, decimals=2, signed=True, compared=_wrong),
        Column("keras_agreement", "as Keras", "%", lambda row: _exact(row.keras_agreement), True, decimals=2),
        *(_median(setting) for setting in settings),
        *(column for setting in settings[:1] for column in _start(setting)),
    )


def marks(rows: tuple[Row, ...], settings: tuple[Setting, ...]) -> tuple[Row, ...]:
    """Return the rows with what is best in each column marked, of equal figures all."""
    found: list[dict[str, str]] = [{} for _ in rows]
    for column in columns(settings):
        for row_marks, mark in zip(found, rank([_shown(column, row) for row in rows]), strict=True):
            if mark:
                row_marks[column.key] = mark
    return tuple(replace(row, marks=row_marks) for row, row_marks in zip(rows, found, strict=True))


def front(rows: tuple[Row, ...], settings: tuple[Setting, ...]) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    """Return the axes of the Pareto front and the rows with those on it marked.

    Axes are the size after zstd, the accuracy, and p50 in the first setting, those of them that any row has; a front
    over a single axis is only the best of a column, and none is drawn.
    """
    keys = ("zstd_bytes", "accuracy", *(_median(setting).key for setting in settings[:1]))
    axes = [column for column in columns(settings) if column.key in keys and any(map(column.read, rows))]
    if len(axes) < 2:
        return (), rows
    points = [_point([_ranked(column, row) for column in axes]) for row in rows]
    marked = (replace(row, pareto=flag) for row, flag in zip(rows, pareto_front(points), strict=True))
    return tuple(column.key for column in axes), tuple(marked)


def table(content: Content) -> list[tuple[Row, list[tuple[Column, Cell]]]]:
    """Return each row with its cells, in the columns that have a figure in any row."""
    shown = []
    for column in columns(content.settings, content.metric):
        values = [column.read(row) for row in content.rows]
        if any(values):
            shown.append((column, _decimals(values) if column.decimals is None else column.decimals))
    return [(row, [(column, _cell(column, row, decimals)) for column, decimals in shown]) for row in content.rows]


def _median(setting: Setting) -> Column:
    def quantiles(row: Row) -> tuple[float, ...]:
        timing = row.timing(setting)
        return (timing.p5_ms, timing.p90_ms, timing.p99_ms) if timing else ()

    return Column(
        f"p50_ms@{setting.device}/{setting.threads}",
        "p50",
        "ms",
        _timed(setting, lambda timing: timing.p50_ms),
        where=str(setting),
        quantiles=quantiles,
    )


def _start(setting: Setting) -> tuple[Column, ...]:
    where = str(setting)
    load, first = _timed(setting, lambda timing: timing.load_ms), _timed(setting, lambda timing: timing.first_ms)
    memory = _timed(setting, lambda timing: _exact(timing.model_memory_bytes / MIB))
    return (
        Column("load_ms", "load", "ms", load, where=where),
        Column("first_ms", "first inference", "ms", first, where=where),
        Column("model_memory_bytes", "memory", "MiB", memory, decimals=1, where=where),
    )


def _timed(setting: Setting, read: Callable[[Timing], Interval | None]) -> Callable[[Row], Interval | None]:
    return lambda row: read(timing) if (timing := row.timing(setting)) else None


def _accuracy(row: Row) -> Interval | None:
    return Interval(row.accuracy.percent, row.accuracy.low, row.accuracy.high) if row.accuracy else None


def _drop(row: Row) -> Interval | None:
    if row.paired is None:
        return _exact(row.drop)
    return Interval(row.paired.points, row.paired.low, row.paired.high)


def _wrong(row: Row) -> Interval | None:
    """What an accuracy is ranked by: on which images a file is wrong, not the bounds, which are not of a difference."""
    if row.accuracy is None:
        return None
    low, high = 100 - row.accuracy.high, 100 - row.accuracy.low
    return Wrong(100 - row.accuracy.percent, low, high, right=row.right, images=row.accuracy.samples)


def _exact(value: float | None) -> Interval | None:
    return None if value is None else Interval(value, value, value)


def _ranked(column: Column, row: Row) -> Interval | None:
    """The figure so that smaller is better."""
    if column.compared is not None:
        return column.compared(row)
    value = column.read(row)
    return _exact(-value.value) if value and column.larger_is_better else value


def _shown(column: Column, row: Row) -> Interval | None:
    """The same, no finer than it is written where that is fixed: of two figures that look equal, none is the best."""
    value = _ranked(column, row)
    if column.compared is not None:
        return value
    return _exact(round(value.value, column.decimals)) if value and column.decimals is not None else value


def _point(values: list[Interval | None]) -> tuple[Interval, ...] | None:
    known = tuple(value for value in values if value is not None)
    return known if len(known) == len(values) else None


def _decimals(values: list[Interval | None]) -> int:
    smallest = min((value.value for value in values if value and 0 < value.value < math.inf), default=1.0)
    return min(max(DIGITS - 1 - math.floor(math.log10(smallest)), 0), 6)


def _cell(column: Column, row: Row, decimals: int) -> Cell:
    value = column.read(row)
    if value is None:
        return Cell()
    known = value.low is not None and value.high is not None and value.low != value.high
    form, between = f"{'+' if column.signed else ''}.{decimals}f", " to " if column.signed else "–"
    return Cell(
        f"{round(value.value, decimals) + 0.0:{form}}",  # + 0.0: no minus zero
        f"{value.low:{form}}{between}{value.high:{form}}" if known else "",
        " / ".join(f"{quantile:.{decimals}f}" for quantile in (column.quantiles(row) if column.quantiles else ())),
        row.marks.get(column.key, ""),
    )
