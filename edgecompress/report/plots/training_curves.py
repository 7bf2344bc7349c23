"""The plot of a training: loss and held-out accuracy over the epochs of all stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecompress.report.content import Epoch
from edgecompress.report.plots.drawing import SERIES, label


def training_curves(history: Sequence[Epoch], metric: str = "accuracy") -> Any:
    """Draw loss and held-out accuracy, or another metric, over the epochs of all stages, a colour a stage."""
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
    accuracy.set(ylabel=f"held-out {metric}, %", xlabel="epoch, all stages")
    accuracy.xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.align_ylabels()
    figure.legend(loc="outside upper left")
    return figure
