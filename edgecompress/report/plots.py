"""The plots: accuracy against size and against latency, and the training curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.report.content import Content, Epoch, Interval, Row
from edgecompress.report.drawing import INK, MARKERS, MUTED, PAPER, SERIES, label
from edgecompress.report.label_places import place_labels

MARKER = 3.5  # radius in points
BESIDE = 30  # points; a label that is further off gets a line to its point
DECADES = (1, 2, 5)  # ticks of a logarithmic axis of a decade and more
TICKS = 5  # of a shorter one


@dataclass(frozen=True)
class Point:
    """One artifact in a plot."""

    x: Interval
    accuracy: Interval
    variant: str
    format: str
    label: str
    pareto: bool


def size_points(content: Content) -> list[Point]:
    """Return size after zstd in KiB against accuracy, for the rows that have both."""
    found = ((row, Interval(*[row.sizes.zstd_bytes / 1024] * 3)) for row in content.rows)
    return [point for row, x in found if (point := _point(row, x))]


def latency_points(content: Content) -> list[Point]:
    """Return p50 in the first setting against accuracy, for the rows that have both."""
    found = ((row, row.timing(setting)) for setting in content.settings[:1] for row in content.rows)
    return [point for row, timing in found if timing and (point := _point(row, timing.p50_ms))]


def scatter(points: Sequence[Point], *, x_label: str, dense_accuracy: float | None) -> Any:
    """Draw accuracy in percent against `x`: a colour a variant, a marker a format, filled on the Pareto front."""
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set(xlabel=x_label, ylabel="accuracy, %")
    variants = list(dict.fromkeys(point.variant for point in points))
    formats = list(dict.fromkeys(point.format for point in points))
    for point in points:
        colour = SERIES[variants.index(point.variant) % len(SERIES)]
        axes.errorbar(
            [point.x.value],
            [point.accuracy.value],
            xerr=_errors(point.x),
            yerr=_errors(point.accuracy),
            fmt=MARKERS[formats.index(point.format) % len(MARKERS)],
            color=colour,
            markerfacecolor=colour if point.pareto else PAPER,
            markersize=2 * MARKER,
            elinewidth=0.8,
            zorder=3,
        )
    if dense_accuracy is not None and math.isfinite(dense_accuracy):
        axes.axhline(dense_accuracy, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.margins(x=0.12, y=0.1)
    _ticks(axes)
    _legend(figure, variants, formats, points, dense_accuracy)
    _label(figure, axes, points)
    return figure


def training_curves(history: Sequence[Epoch]) -> Any:
    """Draw loss and held-out accuracy over the epochs of all stages, a colour a stage."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure()
    loss, accuracy = figure.subplots(2, sharex=True)
    for number, stage in enumerate(dict.fromkeys(epoch.stage for epoch in history)):
        at = [index for index, epoch in enumerate(history) if epoch.stage == stage]
        line = {"color": SERIES[number % len(SERIES)], "marker": "o", "markersize": 3, "linewidth": 1.4}
        loss.plot([index + 1 for index in at], [history[index].loss for index in at], label=label(stage), **line)
        accuracy.plot([index + 1 for index in at], [100 * history[index].held_out_accuracy for index in at], **line)
    loss.set(ylabel="training loss")
    accuracy.set(ylabel="held-out accuracy, %", xlabel="epoch, all stages")
    accuracy.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.align_ylabels()
    figure.legend(loc="outside upper left", ncols=2)
    return figure


def _point(row: Row, x: Interval) -> Point | None:
    if row.accuracy is None:
        return None
    accuracy = Interval(row.accuracy.percent, row.accuracy.low, row.accuracy.high)
    figures = (x.value, x.low, x.high, accuracy.value, accuracy.low, accuracy.high)
    if not all(map(math.isfinite, figures)) or x.low <= 0:  # a logarithmic axis shows neither
        return None
    form, _, precision = row.target.partition(":")
    return Point(x, accuracy, row.variant, form, label(precision or row.target), row.pareto)


def _errors(interval: Interval) -> list[list[float]]:
    return [[max(interval.value - interval.low, 0)], [max(interval.high - interval.value, 0)]]


def _ticks(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=DECADES) if high / low >= 10 else MaxNLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legend(
    figure: Any, variants: list[str], formats: list[str], points: Sequence[Point], dense_accuracy: float | None
) -> None:
    from matplotlib.lines import Line2D

    def entry(text: str, **look: Any) -> Any:
        return Line2D([], [], label=label(text), markersize=2 * MARKER, **look)

    entries = [
        entry(variant, color=SERIES[number % len(SERIES)], linewidth=3) for number, variant in enumerate(variants)
    ]
    entries += [
        entry(form, color=INK, marker=MARKERS[number % len(MARKERS)], markerfacecolor=PAPER, linestyle="")
        for number, form in enumerate(formats)
    ]
    if any(point.pareto for point in points):
        entries.append(entry("filled: Pareto front", color=INK, marker="o", linestyle=""))
    if dense_accuracy is not None:
        entries.append(entry("dense Keras", color=MUTED, linestyle=(0, (4, 3)), linewidth=0.9))
    figure.legend(handles=entries, loc="outside upper left", ncols=3)


def _label(figure: Any, axes: Any, points: Sequence[Point]) -> None:
    """Write each point's label where there is room, with a line to the point where that is not beside it."""
    from matplotlib.text import Text

    notes = [
        axes.annotate(
            point.label,
            (point.x.value, point.accuracy.value),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            zorder=4,
            in_layout=False,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 0, "shrinkB": MARKER},
        )
        for point in points
    ]
    figure.draw_without_rendering()  # settles the layout, in pixels that are points
    area = axes.get_window_extent()

    def pixels(corners: list[tuple[float, float]]) -> np.ndarray:
        return axes.transData.transform(corners) - (area.x0, area.y0)

    at = pixels([(point.x.value, point.accuracy.value) for point in points])
    lows = [corner for p in points for corner in ((p.x.low, p.accuracy.value), (p.x.value, p.accuracy.low))]
    highs = [corner for p in points for corner in ((p.x.high, p.accuracy.value), (p.x.value, p.accuracy.high))]
    centres = place_labels(
        at,
        np.array([Text.get_window_extent(note).size for note in notes]),
        bounds=(area.width, area.height),
        marker=MARKER,
        bars=np.hstack([pixels(lows) - 1, pixels(highs) + 1]),
    )
    for note, offset in zip(notes, centres - at, strict=True):
        note.xyann = offset
        note.arrow_patch.set_visible(math.hypot(*offset) > BESIDE)
