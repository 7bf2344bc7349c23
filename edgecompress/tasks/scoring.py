"""How right answers are, sample by sample, so that any two models can be compared on the same ones.

Everything that is measured is a mean over samples: of flags where a sample is right or wrong, of shares otherwise.
"""

from __future__ import annotations

import numpy as np

from edgecompress.errors import DataError
from edgecompress.tasks.task import Kind, Task


def rightness(task: Task, outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return how right the outputs (N, ...) of a network are, a sample each: flags (N,), or shares (N,) of 1.

    - classes: whether the largest of the scores (N, ..., K) is that of the label (N, ...), or of which share of a
      sample's positions that is so;
    - questions: whether all answers (N, K) are the labels, 0 or 1, where K is 1; otherwise which share of them;
    - numbers: `1 - mean_k (y_k - f_k)^2 / var(y_k)`, whose mean over the samples is the coefficient of determination,
      averaged over the K numbers that vary: 1 where all are met, 0 where they are no better than the mean.

    What is not finite is wrong.

    Raises:
        DataError: of numbers, none varies from sample to sample.
    """
    if task.kind is Kind.NUMBERS:
        return _explained(outputs, labels)
    finite = np.isfinite(outputs)
    if task.kind is Kind.CLASSES:
        right = (outputs.argmax(-1) == labels.reshape(outputs.shape[:-1])) & finite.all(-1)
    else:
        right = (_answers(task, outputs) == labels.reshape(outputs.shape)) & finite
    right = right.reshape(len(outputs), -1)
    return right[:, 0] if right.shape[1] == 1 else right.mean(axis=1)


def decisions(task: Task, outputs: np.ndarray) -> np.ndarray | None:
    """Return what the outputs (N, ...) decide, (N, D): classes, or yes and no; None for numbers, which decide nothing.

    What is not finite decides -1.
    """
    if task.kind is Kind.NUMBERS:
        return None
    finite = np.isfinite(outputs)
    if task.kind is Kind.CLASSES:
        found = np.where(finite.all(-1), outputs.argmax(-1), -1)
    else:
        found = np.where(finite, _answers(task, outputs), -1)
    return found.reshape(len(outputs), -1)


def _answers(task: Task, outputs: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return outputs > (0 if task.logits else 0.5)


def _explained(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    wanted = labels.reshape(len(labels), -1).astype(np.float64)
    found = outputs.reshape(len(labels), -1).astype(np.float64)
    variances = wanted.var(axis=0)
    if not variances.any():
        raise DataError(
            f"The numbers that {len(labels)} samples should give are all the same: nothing is measured by them.",
            hint="Take more samples.",
        )
    with np.errstate(invalid="ignore", over="ignore"):
        shares = 1 - ((found - wanted)[:, variances > 0] ** 2 / variances[variances > 0]).mean(axis=1)
    return np.where(np.isfinite(shares), shares, -np.inf)
