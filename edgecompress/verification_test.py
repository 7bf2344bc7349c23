"""Accuracy, intervals and parity, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import LimitNotMet
from edgecompress.verification import Accuracy, ArtifactCheck, Verification, accuracy, compare, require_drop


def test_wilson_interval_by_hand() -> None:
    scores = np.eye(10)[np.arange(10) % 10]
    labels = np.array([0, 1, 2, 3, 4, 5, 6, 7, 0, 0])  # 8 of 10 right
    found = accuracy(scores, labels)
    assert found.percent == pytest.approx(80)
    # Newcombe 1998, method 3: 8 of 10 gives 49.02 % to 94.33 %.
    assert (found.low, found.high) == (pytest.approx(49.02, abs=0.01), pytest.approx(94.33, abs=0.01))


def test_parity_counts_steps_of_the_quantized_output() -> None:
    tflite = np.array([[0.0, 0.25, 0.75], [0.5, 0.25, 0.25]], np.float32)
    onnx = np.array([[0.0, 0.5, 0.5], [0.5, 0.25, 0.25]], np.float32)
    parity = compare(tflite, onnx, "dense", "int8", 0.25)
    assert parity.largest_steps == 1
    assert parity.equal_outputs == pytest.approx(100 * 4 / 6)
    assert parity.equal_argmax == 50  # 0.75 is the largest, then 0.5 comes first
    assert compare(tflite, tflite, "dense", "float32", 0.0).equal_outputs == 100


def test_a_drop_beyond_the_limit_names_the_file() -> None:
    right = Accuracy(90.0, 89.0, 91.0, 1000)
    check = ArtifactCheck("artifacts/dense.int8.tflite", "dense", "tflite:int8", right, 0.7, 99.0, 0.1, 0.01)
    found = Verification("digits", {"dense": right}, (check,), ())
    require_drop(found, max_drop=0.7)
    with pytest.raises(LimitNotMet, match=r"dense\.int8\.tflite: 0\.70") as caught:
        require_drop(found, max_drop=0.5)
    assert caught.value.exit_code == 3
