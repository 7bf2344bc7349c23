"""The plot of a sensitivity scan, and its files."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

from edgecompress.pipeline.sensitivity import Sensitivity
from edgecompress.report.plots.drawing import INK, MARKERS, MUTED, SERIES, label, style, to_png
from edgecompress.runs.folder import RunFolder
from edgecompress.storage import write_bytes

DASHES = ("solid", "dashed", "dotted")  # a line's colour, marker and dashes are its own for the first 60 layers
COLUMNS = 2
ROW_INCHES = 0.19  # of the legend


def write_sensitivity(found: Sensitivity, folder: Path) -> dict[str, Path]:
    """Write sensitivity.json and sensitivity.png, each whole, and return where they lie."""
    with style():
        image = to_png(sensitivity_plot(found))
    write_bytes(folder / "sensitivity.png", image)
    RunFolder(folder).write("sensitivity", found)
    return {name: folder / name for name in ("sensitivity.json", "sensitivity.png")}


def sensitivity_plot(found: Sensitivity) -> Any:
    """Draw the accuracy over the share of weights removed, a line a layer, with a ring around each proposal.

    The axis is logarithmic in what is left, because that is what decides.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, NullLocator

    figure = Figure()
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + ROW_INCHES * -(-len(found.layers) // COLUMNS))
    axes = figure.subplots()
    left = [100 * (1 - sparsity) for sparsity in found.sparsities]
    looks = zip(cycle(SERIES), cycle(MARKERS), range(len(found.layers)))
    for (colour, marker, number), each in zip(looks, found.layers, strict=True):
        dashes = DASHES[number // (len(SERIES) * len(MARKERS)) % len(DASHES)]
        percents = [accuracy.percent for accuracy in each.accuracies]
        look: dict[str, Any] = {
            "color": colour,
            "marker": marker,
            "linestyle": dashes,
            "markersize": 3.5,
            "linewidth": 1.3,
        }
        axes.plot(left, percents, label=label(each.layer), **look)
        if each.proposal:
            at = found.sparsities.index(each.proposal)
            axes.plot(left[at], percents[at], "o", markersize=8, markerfacecolor="none", color=colour)
    limit = found.dense.percent - found.max_drop
    axes.axhspan(found.dense.low, found.dense.high, color=MUTED, alpha=0.15, linewidth=0)
    axes.axhline(limit, color=INK, linewidth=0.8, linestyle="dashed")
    axes.set(xscale="log", xlabel="weights removed, %", ylabel="accuracy without retraining, %")
    axes.invert_xaxis()
    axes.xaxis.set_major_locator(FixedLocator(left))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(left, [f"{100 * sparsity:g}" for sparsity in found.sparsities])
    axes.set_title("rings: proposals; dashed: limit; gray: dense, 95 % interval", fontsize=8, color=MUTED)
    figure.legend(loc="outside lower center", ncols=COLUMNS)
    return figure
