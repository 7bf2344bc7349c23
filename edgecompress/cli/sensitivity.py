"""`edgecompress sensitivity`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from edgecompress.cli.numbers import Finite
from edgecompress.cli.output import json_option, print_json, print_line, print_table, progress_bars

if TYPE_CHECKING:
    from edgecompress.numerics.paired import PairedDrop
    from edgecompress.verification import Accuracy


@click.command("sensitivity")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", "data_name", default="", help="Data set: digits, fashion_mnist, ...  [default: the run's own]")
@click.option("--data-dir", default="", help="Where to look for the data first.")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="Images of the training split.")
@click.option(
    "--max-drop",
    type=Finite(0),
    default=1.0,
    show_default=True,
    help="Percentage points that pruning a layer alone may cost.",
)
@click.option("--resolution", type=click.IntRange(1), help="Side of the images, of a file that takes any size.")
@click.option(
    "--input-range",
    type=Finite(),
    nargs=2,
    help="What a file expects pixels 0..255 to be mapped to.  [default: what its first layer tells]",
)
@click.option("--loss", default="", help="What a file has learnt, if neither it nor the labels tell.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder.  [default: the run, or ./sensitivity]")
@json_option
def command(
    model: Path,
    data_name: str,
    data_dir: str,
    limit: int,
    max_drop: float,
    resolution: int | None,
    input_range: tuple[float, float] | None,
    loss: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """Prune each layer of MODEL alone, without retraining, and propose a sparsity for each.

    MODEL is a .h5 or .keras file, or a run, whose dense model is taken. Accuracy is measured on images of the training
    split: a choice made on test images would look better on them than it is. The proposal is the largest sparsity that
    was tried of which it and all smaller ones cost no more than --max-drop; ≈ where so many images cannot tell.

    Example: edgecompress sensitivity runs/lenet_300_100 --max-drop 0.5
    """
    from edgecompress.pipeline.sensitivity import find_sensitivity
    from edgecompress.report.plots.sensitivity import write_sensitivity
    from edgecompress.runs.working import working_in

    with progress_bars() as progress:
        found = find_sensitivity(
            model,
            data=data_name,
            data_dir=data_dir,
            limit=limit,
            max_drop=max_drop,
            resolution=resolution,
            input_range=input_range,
            loss=loss,
            on_progress=progress,
        )
    folder = out or (model if model.is_dir() else Path("sensitivity"))
    with working_in(folder):
        paths = write_sensitivity(found, folder)
    if as_json:
        print_json(found)
        return
    undecided = found.undecided()
    columns = ["layer", "weights", "proposal", *(f"{100 * sparsity:g} %" for sparsity in found.sparsities)]
    rows = [
        [
            each.layer,
            f"{each.weights:,}",
            f"{each.proposal:g}{' ≈' if each.layer in undecided else ''}",
            *(f"{accuracy.percent:.2f}" for accuracy in each.accuracies),
        ]
        for each in found.layers
    ]
    print_table("Accuracy with so many of a layer's weights removed, without retraining", columns, rows)
    for reason in dict.fromkeys(note.reason for note in found.skipped):
        print_line(f"Skipped, {reason}: {', '.join(note.layer for note in found.skipped if note.reason == reason)}.")
    print_line(f"Measured on the {found.data}.")
    print_line(f"Dense: {_shown(found.dense)}.")
    print_line(
        f"All layers at their proposals, {100 * found.joint_sparsity:.1f} % of their weights removed, before any "
        f"retraining: {_shown(found.joint)}{_below(found.joint_drop)}."
    )
    for sentence in found.doubts():
        print_line(sentence)
    print_line('For a recipe, below method = "iterative_pruning":')
    print_line(found.recipe_line())
    for path in paths.values():
        print_line(str(path))


def _shown(found: Accuracy) -> str:
    return f"{found.percent:.2f} % (95 % interval {found.low:.2f} .. {found.high:.2f})"


def _below(drop: PairedDrop | None) -> str:
    return f", {drop.points:.2f} points below ({drop.low:.2f} .. {drop.high:.2f} on the same images)" if drop else ""
