"""What arrays of labels mean: numbers of classes, or what a network should answer."""

from __future__ import annotations

import numpy as np

from edgecompress.errors import DataError


def to_labels(labels: np.ndarray, what: str, *, answers: bool | None) -> np.ndarray:
    """Return labels as a `Split` has them.

    Integers (N,) or (N, 1) are numbers of classes, as are those of the positions of each sample, (N, ..., two axes or
    more). So are rows of which one number is 1 and all others are 0. Other numbers (N,) or (N, K) are answers; if it is
    known whether there are `answers`, all are, or integers (N, K) are classes of positions.

    Raises:
        DataError: no numbers, or of another shape.
    """
    if labels.dtype.kind not in "iufb" or labels.ndim < 1 or not labels.size:
        raise DataError(f"{what}: expected numbers as labels; got {labels.dtype} of shape {labels.shape}.")
    if answers:
        return _as_answers(labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind in "iu" and labels.ndim != 2:
        return labels.astype(np.int64)
    if labels.ndim > 2:
        raise DataError(
            f"{what}: expected integer labels of shape (N,) or of each position, or numbers of shape (N, K); got "
            f"{labels.dtype} of shape {labels.shape}."
        )
    if labels.ndim == 2 and ((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all():
        return labels.argmax(axis=1).astype(np.int64)
    if answers is False and labels.dtype.kind in "iu":
        return labels.astype(np.int64)
    return _as_answers(labels)


def _as_answers(labels: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # what becomes infinite is refused with the data set
        return labels.astype(np.float32).reshape(len(labels), -1)


def class_names(labels: np.ndarray, what: str) -> tuple[str, ...]:
    """Name classes by their labels, which must be 0..K-1 with none left out; and answers by their places.

    Raises:
        DataError: other labels.
    """
    if labels.dtype != np.int64:
        return tuple(str(place) for place in range(labels.shape[1]))
    present = np.unique(labels)
    if not np.array_equal(present, np.arange(len(present))):
        raise DataError(
            f"{what}: expected labels 0..K-1 with an image for each; found {', '.join(map(str, present[:12]))}"
            f"{', ...' if len(present) > 12 else ''}.",
            hint="If they are no classes, say what is to be learnt: --loss mean_squared_error.",
        )
    return tuple(str(label) for label in present)
