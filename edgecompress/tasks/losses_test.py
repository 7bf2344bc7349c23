"""The loss by hand: probabilities and logits give the same, and rare classes count as much as others."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.tasks import Task, rightness
from edgecompress.tasks.losses import Loss, balanced, spreads

LOGITS = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0], [0.2, 0.1, 0.0], [4.0, 0.0, 1.0]], np.float32)
LABELS = np.array([1, 2, 2, 0])
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
LOSSES = -np.log(SHARES[np.arange(4), LABELS])


@pytest.mark.parametrize("weights", [(), (3.0, 1.0, 0.5)])
@pytest.mark.parametrize("logits", [False, True])
def test_the_loss_is_the_weighted_mean(logits: bool, weights: tuple[float, ...]) -> None:
    tensorflow = load_tensorflow()
    outputs = tensorflow.constant(LOGITS if logits else SHARES.astype(np.float32))
    found = Loss(Task(logits=logits), weights).of(tensorflow.constant(LABELS), outputs, keras=load_keras())
    expected = np.mean(LOSSES * (np.array(weights)[LABELS] if weights else 1))
    # Four float32 logarithms of shares that are themselves rounded: a few units in the last place each.
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_balanced_classes_weigh_the_same() -> None:
    labels = [0] * 6 + [1] * 3 + [2]
    weights = balanced(labels, 4)
    assert weights[:3] == pytest.approx((10 / 24, 10 / 12, 10 / 4))
    totals = [labels.count(label) * weight for label, weight in enumerate(weights[:3])]
    assert totals == pytest.approx([totals[0]] * 3)
    assert np.isfinite(weights).all()  # a class that none of the training images is of


ANSWERS = np.array([[0.9, -0.3], [-2.0, 0.4], [0.2, 1.5]], np.float32)
CLASSES, YES_NO = np.array([0, 1, 0]), np.array([[1, 0], [0, 1], [1, 1]], np.float32)
NUMBERS = np.array([[1.0, 0.0], [-1.5, 2.0], [0.5, 1.0]], np.float32)


def by_hand(loss: str) -> float:
    distances = np.abs(ANSWERS - NUMBERS)
    signs = 2 * np.eye(2)[CLASSES] - 1
    shares = 1 / (1 + np.exp(-ANSWERS))
    return float(
        {
            "squared_hinge": np.maximum(0, 1 - signs * ANSWERS) ** 2,
            "binary_crossentropy": -YES_NO * np.log(shares) - (1 - YES_NO) * np.log(1 - shares),
            "mean_squared_error": distances**2,
            "mean_absolute_error": distances,
            "huber": np.where(distances < 1, distances**2 / 2, distances - 0.5),
        }[loss].mean()
    )


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        ("squared_hinge", CLASSES),
        ("binary_crossentropy", YES_NO),
        ("mean_squared_error", NUMBERS),
        ("mean_absolute_error", NUMBERS),
        ("huber", NUMBERS),
    ],
)
def test_the_other_losses_are_what_is_said_of_them(loss: str, labels: np.ndarray) -> None:
    tensorflow, task = load_tensorflow(), Task(loss, logits=loss == "binary_crossentropy")
    computed = Loss(task, variances=spreads(labels) if labels is NUMBERS else ())
    outputs, given = tensorflow.constant(ANSWERS), tensorflow.constant(labels)
    assert float(computed.of(given, outputs, keras=load_keras())) == pytest.approx(by_hand(loss), rel=1e-5)
    # A batch is as right as the samples are together; the shares are of float32.
    assert float(computed.right(given, outputs)) == pytest.approx(rightness(task, ANSWERS, labels).sum(), rel=1e-5)


def test_numbers_that_do_not_vary_count_for_nothing() -> None:
    assert spreads(np.array([[1.0, 5.0], [3.0, 5.0]], np.float32)) == (1.0, float("inf"))
