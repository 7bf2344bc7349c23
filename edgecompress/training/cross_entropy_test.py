"""The loss by hand: probabilities and logits give the same, and rare classes count as much as others."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.training.cross_entropy import CrossEntropy, balanced

LOGITS = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0], [0.2, 0.1, 0.0], [4.0, 0.0, 1.0]], np.float32)
LABELS = np.array([1, 2, 2, 0])
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
LOSSES = -np.log(SHARES[np.arange(4), LABELS])


@pytest.mark.parametrize("weights", [(), (3.0, 1.0, 0.5)])
@pytest.mark.parametrize("logits", [False, True])
def test_the_loss_is_the_weighted_mean(logits: bool, weights: tuple[float, ...]) -> None:
    tensorflow = load_tensorflow()
    outputs = tensorflow.constant(LOGITS if logits else SHARES.astype(np.float32))
    found = CrossEntropy(logits, weights).of(tensorflow.constant(LABELS), outputs, keras=load_keras())
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
