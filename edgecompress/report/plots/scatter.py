"""The plots of accuracy against size and against latency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.report.content import Content, Interval, Row
from edgecompress.report.plots.drawing import INK, MARKERS, MUTED, PAPER, SERIES, label
from edgecompress.report.plots.label_places import place_labels

FRONT = " ◆"  # behind the name of a file on the front, as in the table
MARKER = 3.5  # radius in points
BESIDE = 30  # points; a label that is further off gets a line to its point
MARGIN, NARROWEST = 0.12, 1.05  # of the range on a logarithmic axis, and the least factor
DECADES = (1, 2, 5)  # ticks of a logarithmic axis of a decade and more
TICKS = 5  # of a shorter one


@dataclass(frozen=True)
class Point:
    """One artifact in a plot, called and marked as in the table: its target, with ◆ on the front."""

    x: Interval
    accuracy: Interval
    variant: str
    format: str
    label: str
    pareto: bool


def size_points(content: Content) -> list[Point]:
    """Return size after zstd in KiB against accuracy, for the rows that have both."""
    found = ((row, row.sizes.zstd_bytes / 1024) for row in content.rows)
    return [point for row, x in found if (point := _point(row, Interval(x, x, x)))]


def latency_points(content: Content) -> list[Point]:
    """Return p50 in the first setting against accuracy, for the rows that have both."""
    found = ((row, row.timing(setting)) for setting in content.settings[:1] for row in content.rows)
    return [point for row, timing in found if timing and (point := _point(row, timing.p50_ms))]


def scatter(points: Sequence[Point], *, x_label: str, dense_accuracy: float | None, metric: str = "accuracy") -> Any:
    """Draw accuracy, or another metric, in percent against `x`: a colour a variant, a marker a format.

    Markers are filled on the Pareto front. That is the table's, over all of its axes, so that a point may be on it
    which another beats in this plot.
    """
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set(xlabel=x_label, ylabel=f"{metric}, %")
    variants = list(dict.fromkeys(point.variant for point in points))
    formats = list(dict.fromkeys(point.format for point in points))
    for point in points:
        number = formats.index(point.format)
        colour = SERIES[variants.index(point.variant) % len(SERIES)]
        axes.errorbar(
            [point.x.value],
            [point.accuracy.value],
            xerr=_errors(point.x),
            yerr=_errors(point.accuracy),
            fmt=MARKERS[number % len(MARKERS)],
            color=colour,
            markerfacecolor=colour if point.pareto else "none",
            markeredgecolor=PAPER if point.pareto else colour,  # seen where one filled marker lies on another
            markersize=2 * MARKER,
            elinewidth=0.8,
            # A hollow marker does not hide a filled one, nor the circle the square around it.
            zorder=(3 if point.pareto else 4) - number / (len(formats) + 1),
        )
    if dense_accuracy is not None:
        axes.axhline(dense_accuracy, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.margins(y=0.1)
    _set_range(axes, min(point.x.ends[0] for point in points), max(point.x.ends[1] for point in points))
    _legend(figure, variants, formats, points, dense_accuracy)
    _label(figure, axes, points, dense_accuracy)
    return figure


def _point(row: Row, x: Interval) -> Point | None:
    if row.accuracy is None:
        return None
    accuracy = Interval(row.accuracy.percent, row.accuracy.low, row.accuracy.high)
    figures = (x.value, *x.ends, accuracy.value, *accuracy.ends)
    if not all(map(math.isfinite, figures)) or x.ends[0] <= 0:  # a logarithmic axis shows neither
        return None
    form = row.target.partition(":")[0]
    return Point(x, accuracy, row.variant, form, label(row.target) + FRONT * row.pareto, row.pareto)


def _errors(interval: Interval) -> list[list[float]]:
    low, high = interval.ends
    return [[max(interval.value - low, 0)], [max(high - interval.value, 0)]]


def _set_range(axes: Any, low: float, high: float) -> None:
    """Show `low` to `high` and a margin on a logarithmic axis, with ticks that are read at a glance."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    margin = max((high / low) ** MARGIN, NARROWEST)
    axes.set_xlim(low / margin, high * margin)
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
        entry(form, color=INK, marker=MARKERS[number % len(MARKERS)], markerfacecolor="none", linestyle="")
        for number, form in enumerate(formats)
    ]
    if any(point.pareto for point in points):
        entries.append(entry("filled, ◆: Pareto front", color=INK, marker="o", linestyle=""))
    if dense_accuracy is not None:
        entries.append(entry("dense Keras", color=MUTED, linestyle=(0, (4, 3)), linewidth=0.9))
    figure.legend(handles=entries, loc="outside upper left", ncols=2)


def _label(figure: Any, axes: Any, points: Sequence[Point], dense_accuracy: float | None) -> None:
    """Write each point's label where there is room, with a line to the point where that is not beside it.

    Points that lie on one another share a place, a line each.
    """
    from matplotlib.text import Text

    figure.draw_without_rendering()  # settles the layout, in pixels that are points
    area = axes.get_window_extent()

    def pixels(corners: list[tuple[float, float]]) -> np.ndarray:
        return axes.transData.transform(corners) - (area.x0, area.y0)

    at = pixels([(point.x.value, point.accuracy.value) for point in points])
    lows = [corner for p in points for corner in ((p.x.ends[0], p.accuracy.value), (p.x.value, p.accuracy.ends[0]))]
    highs = [corner for p in points for corner in ((p.x.ends[1], p.accuracy.value), (p.x.value, p.accuracy.ends[1]))]
    if dense_accuracy is not None:
        left, right = axes.get_xlim()
        lows.append((left, dense_accuracy))
        highs.append((right, dense_accuracy))
    groups = _groups(points, at)
    labelled = list(groups)
    notes = [
        axes.annotate(
            groups[index],
            (points[index].x.value, points[index].accuracy.value),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=8,
            zorder=5,
            in_layout=False,
            arrowprops={"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkA": 0, "shrinkB": MARKER},
        )
        for index in labelled
    ]
    centres = place_labels(
        at[labelled],
        np.array([Text.get_window_extent(note).size for note in notes]),
        bounds=(area.width, area.height),
        markers=at,
        radius=MARKER,
        bars=np.hstack([pixels(lows) - 1, pixels(highs) + 1]),
    )
    for note, offset in zip(notes, centres - at[labelled], strict=True):
        note.xyann = offset
        note.arrow_patch.set_visible(math.hypot(*offset) > BESIDE)


def _groups(points: Sequence[Point], at: np.ndarray) -> dict[int, str]:
    """What is written at the first of points that lie on one another: the label of each, with its variant if they mix.

    Points of the same label are one line.
    """
    groups: dict[int, list[int]] = {}
    for index in range(len(points)):
        first = next((first for first in groups if math.dist(at[index], at[first]) < MARKER), index)
        groups.setdefault(first, []).append(index)
    texts = {}
    for first, members in groups.items():
        mixed = len({points[index].variant for index in members}) > 1
        lines = [f"{label(points[i].variant)} {points[i].label}" if mixed else points[i].label for i in members]
        texts[first] = "\n".join(dict.fromkeys(lines))
    return texts
