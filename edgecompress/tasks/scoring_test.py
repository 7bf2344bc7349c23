"""How right answers are, by hand: flags of classes and questions, shares of positions, labels and variance."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import DataError, RecipeError
from edgecompress.tasks import ONE_CLASS, Kind, Task, decisions, find_loss, rightness

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.2, np.nan, 0.9]])
QUESTIONS, LOGITS, NUMBERS = Task("binary_crossentropy"), Task("binary_crossentropy", True), Task("mean_squared_error")


def test_a_class_is_right_where_its_score_is_the_largest_and_all_are_numbers() -> None:
    right = rightness(ONE_CLASS, SCORES, np.array([1, 2, 2]))
    assert right.dtype == bool and right.tolist() == [True, False, False]
    assert decisions(ONE_CLASS, SCORES).tolist() == [[1], [0], [-1]]


def test_of_positions_the_share_is_told() -> None:
    scores = np.eye(3)[np.array([[[0, 1], [2, 2]], [[1, 1], [0, 0]]])]  # (2, 2, 2, 3)
    labels = np.array([[[0, 1], [2, 0]], [[1, 1], [0, 0]]])
    assert rightness(ONE_CLASS, scores, labels).tolist() == [0.75, 1.0]
    assert decisions(ONE_CLASS, scores).shape == (2, 4)


@pytest.mark.parametrize(("task", "least"), [(QUESTIONS, 0.5), (LOGITS, 0.0)])
def test_one_question_is_right_or_wrong_and_several_are_in_part(task: Task, least: float) -> None:
    outputs = np.array([[least + 0.1], [least - 0.1], [np.nan]])
    one = rightness(task, outputs, np.array([1, 1, 0]))
    assert one.dtype == bool and one.tolist() == [True, False, False]
    several = rightness(task, np.hstack([outputs, outputs]), np.array([[1, 0], [0, 0], [0, 0]], np.float32))
    assert several.tolist() == [0.5, 1.0, 0.0]
    assert decisions(task, outputs).tolist() == [[1], [0], [-1]]


def test_numbers_are_right_by_the_share_of_their_variance_that_is_explained() -> None:
    generator = np.random.default_rng(0)
    labels = generator.normal(3, 2, (50, 3)).astype(np.float32)
    labels[:, 2] = 7  # says nothing
    outputs = labels + generator.normal(0, 1, labels.shape)
    shares = rightness(NUMBERS, outputs, labels)
    residual = ((outputs - labels) ** 2).sum(axis=0)
    total = ((labels - labels.mean(axis=0)) ** 2).sum(axis=0)
    expected = np.mean(1 - residual[:2] / total[:2])  # the coefficient of determination
    assert shares.mean() == pytest.approx(expected, rel=1e-6)  # labels and their mean are float32
    assert rightness(NUMBERS, labels, labels).tolist() == [1.0] * 50
    assert rightness(NUMBERS, np.broadcast_to(labels.mean(axis=0), labels.shape), labels).mean() == pytest.approx(
        0, abs=1e-5
    )
    assert decisions(NUMBERS, outputs) is None
    outputs[3, 0] = np.inf
    assert rightness(NUMBERS, outputs, labels)[3] == -np.inf
    with pytest.raises(DataError, match="all the same"):
        rightness(NUMBERS, outputs[:1], labels[:1])


@pytest.mark.parametrize("name", ["mse", "MSE", "mean_squared_error"])
def test_losses_have_the_names_that_keras_knows(name: str) -> None:
    assert find_loss(name) == "mean_squared_error"
    assert Task(find_loss(name)).kind is Kind.NUMBERS
    assert find_loss("bce") == "binary_crossentropy"


def test_an_unknown_loss_is_told_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="no loss 'hinged'") as found:
        find_loss("hinged")
    assert "squared_hinge" in found.value.hint
