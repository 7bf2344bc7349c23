"""What a network is to learn, or has learnt: as somebody says, as its file says, or as labels and outputs look."""

from __future__ import annotations

import math

import numpy as np

from edgecompress.data import Dataset
from edgecompress.errors import DataError, RecipeError
from edgecompress.runs.folder import RunFolder
from edgecompress.storage import from_json
from edgecompress.tasks import LOSSES, ONE_CLASS, Kind, Task, find_loss

ENDS = {"categorical_crossentropy": "softmax", "binary_crossentropy": "sigmoid"}  # all others end without activation


def known_loss(name: str) -> str:
    """Return the name of a loss as it is known here, or "" where it is not."""
    try:
        return find_loss(name)
    except RecipeError:
        return ""


def wants_answers(loss: str) -> bool | None:
    """Return whether the labels for a loss are answers and not numbers of classes; None where it is not known, ""."""
    return LOSSES[find_loss(loss)] is not Kind.CLASSES if loss else None


def task_of(loss: str, end: str, dataset: Dataset, *, name: str) -> Task:
    """Return the task of a network that ends in `end`, "softmax", "sigmoid" or "linear"; "" if that can be chosen.

    Raises:
        RecipeError: it is not known, or the labels or the end of the network are those of another one.
    """
    found = find_loss(loss) if loss else _guessed(dataset, end)
    kind = LOSSES[found]
    if kind is Kind.CLASSES and not dataset.has_classes:
        raise RecipeError(
            f"{found} is learnt from classes, and {dataset.name} has {len(dataset.labels)} numbers a sample.",
            hint="Save classes as integers; or say --loss binary_crossentropy, of 0 and 1, or mean_squared_error.",
        )
    if kind is not Kind.CLASSES and dataset.has_classes and (kind is Kind.NUMBERS or len(dataset.labels) != 2):
        raise RecipeError(
            f"{found} is learnt from numbers, and {dataset.name} has {len(dataset.labels)} classes.",
            hint="Leave --loss out; or name data with numbers: an archive with y of shape (N, K), or a table.",
        )
    if kind is Kind.QUESTIONS and not dataset.has_classes:
        _require_shares(dataset)
    if kind is Kind.NUMBERS:
        _require_varying(dataset)
    if (found, end) in (
        ("categorical_crossentropy", "sigmoid"),
        ("squared_hinge", "softmax"),
        ("squared_hinge", "sigmoid"),
        ("binary_crossentropy", "softmax"),
    ):
        other = ENDS.get(found)
        raise RecipeError(
            f"'{name}' ends in a {end}, and {found} is minimized of "
            f"{f'a {other} or of what is in front of it' if other else 'outputs without an activation'}.",
            hint=f"Say another --loss, or give it another end: --new-head {width(found, dataset)}.",
        )
    return Task(found, logits=found in ENDS and end not in ("", ENDS[found]))


def width(loss: str, dataset: Dataset) -> int:
    """Return how many numbers a network gives for a sample, or for each of its positions."""
    return 1 if LOSSES[loss] is Kind.QUESTIONS and dataset.has_classes else len(dataset.labels)


def require_fit(task: Task, shape: tuple[int | None, ...], dataset: Dataset, *, name: str) -> None:
    """Refuse a network whose outputs, of this shape without the batch, are not those that the labels tell.

    Raises:
        DataError: they are of other classes, positions or numbers.
    """
    labels, wanted = dataset.train.labels, width(task.loss, dataset)
    sides = tuple(side or 0 for side in shape)
    fits = (*labels.shape[1:], wanted) == sides if task.kind is Kind.CLASSES else math.prod(sides) == wanted
    if fits:
        return
    listed = f"{', '.join(dataset.labels[:5])}{', ...' if dataset.labels[5:] else ''}"
    if task.kind is Kind.CLASSES and labels.ndim == 1 and len(sides) == 1:
        raise DataError(
            f"'{name}' gives scores of {sides[-1]} classes, and {dataset.name} has {wanted}: {listed}.",
            hint=f"Name the data that it was made for, or give it a new classifier: --new-head {wanted}.",
        )
    expected = (*labels.shape[1:], wanted) if task.kind is Kind.CLASSES else (wanted,)
    raise DataError(
        f"'{name}' gives outputs of shape {sides}, and by {task.loss} the labels of {dataset.name} are for {expected}.",
        hint="Name the data that it was made for, or another --loss.",
    )


def task_of_run(run: RunFolder) -> Task:
    """Read what a run's models have learnt; before that was written down, it was one class of several."""
    return from_json(Task, run.path / "task.json") if run.has("task") else ONE_CLASS


def _guessed(dataset: Dataset, end: str) -> str:
    if dataset.has_classes:
        single = end == "sigmoid" and len(dataset.labels) == 2
        return "binary_crossentropy" if single else "categorical_crossentropy"
    if end == "sigmoid" and np.isin(dataset.train.labels, (0, 1)).all():
        return "binary_crossentropy"
    raise RecipeError(
        f"{dataset.name} has {len(dataset.labels)} numbers a sample, and it is not known what is to be minimized.",
        hint="Say it: --loss mean_squared_error, mean_absolute_error, huber or, of yes and no, binary_crossentropy.",
    )


def _require_varying(dataset: Dataset) -> None:
    for part, split in (("training", dataset.train), ("test", dataset.test)):
        if not np.ptp(split.labels, axis=0).any():
            raise RecipeError(
                f"The {part} numbers of {dataset.name} are the same in all of {len(split)} samples: nothing is learnt "
                "from such, and nothing measured.",
                hint="Name other data.",
            )


def _require_shares(dataset: Dataset) -> None:
    for split in (dataset.train, dataset.test, dataset.held_out):
        if split is not None and not ((split.labels >= 0) & (split.labels <= 1)).all():
            raise RecipeError(
                f"binary_crossentropy is learnt from labels in 0..1, and those of {dataset.name} lie in "
                f"{split.labels.min():g}..{split.labels.max():g}.",
                hint="Say --loss mean_squared_error, if these are numbers to be met.",
            )
