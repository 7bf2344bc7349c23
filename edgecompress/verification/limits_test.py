"""What fails, what passes, and what so many images cannot tell."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import LimitNotMet
from edgecompress.numerics.paired import paired_drop
from edgecompress.verification import (
    Accuracy,
    ArtifactCheck,
    Parity,
    Verification,
    compare,
    require_agreement,
    require_drop,
)

RIGHT = Accuracy(90.0, 89.0, 91.0, 1000)
FILE = "artifacts/dense.int8.tflite"


def verification(lost: int, won: int, images: int) -> Verification:
    first = np.arange(images) >= won
    second = np.arange(images) < images - lost
    paired = paired_drop(first, second)
    assert (paired.lost, paired.won) == (lost, won)
    check = ArtifactCheck(FILE, "dense", "tflite:int8", RIGHT, paired.points, 99.0, 0.1, 0.01, paired=paired)
    return Verification("digits", {"dense": RIGHT}, (check,), ())


def parity(apart: float, step: float = 0.25) -> Parity:
    here = np.array([[0.0, 1.0], [2.0, 0.0]])
    return Parity(**vars(compare(here, here + np.diag([apart, 0.0]), step)), variant="dense", precision="int8")


def test_a_drop_beyond_the_limit_names_the_file() -> None:
    with pytest.raises(LimitNotMet, match=r"dense\.int8\.tflite: 5\.00\)") as caught:
        require_drop(verification(600, 100, 10_000), max_drop=0.5)
    assert caught.value.exit_code == 3


def test_a_drop_that_is_surely_within_passes_in_silence() -> None:
    assert require_drop(verification(30, 20, 10_000), max_drop=0.5) == []
    assert require_drop(verification(20, 30, 10_000), max_drop=0.0 + 0.1) == []


def test_a_drop_that_may_be_beyond_passes_with_a_word() -> None:
    (sentence,) = require_drop(verification(17, 10, 1000), max_drop=1.0)
    assert sentence.startswith(
        f"{FILE}: a drop of 0.70 is within 1 points, but with 1,000 samples one cannot tell: it is"
    )
    assert sentence.endswith(" would tell.")


def test_a_drop_that_may_be_within_fails_and_says_so() -> None:
    with pytest.raises(LimitNotMet, match=r"1\.20, but with 1,000 samples one cannot tell: it is .* would tell"):
        require_drop(verification(22, 10, 1000), max_drop=1.0)


def test_the_drop_itself_is_within_its_limit() -> None:
    """0.7 is 100 * 7 / 1000 but for the last bit."""
    (sentence,) = require_drop(verification(17, 10, 1000), max_drop=0.7)
    assert "would tell" not in sentence


def test_steps_and_argmax_are_held_to_their_limits() -> None:
    assert require_agreement([parity(0.25)], max_steps=1, min_argmax=100) == []
    with pytest.raises(
        LimitNotMet, match=r"dense int8, ONNX against TFLite by xnnpack: 2 steps, of at most 1\)"
    ) as caught:
        require_agreement([parity(0.25), parity(0.5)], max_steps=1)
    assert caught.value.exit_code == 3 and "equal argmax" not in caught.value.message
    with pytest.raises(LimitNotMet, match=r"50\.00 % equal argmax, of at least 99 %\)"):
        require_agreement([parity(1.5)], min_argmax=99)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_what_is_not_finite_meets_no_limit(odd: float) -> None:
    with pytest.raises(LimitNotMet, match="inf steps"):
        require_agreement([parity(odd)], max_steps=1e9)


def test_float_outputs_have_no_steps_to_be_held_to() -> None:
    (sentence,) = require_agreement([parity(5.0, step=0.0)], max_steps=1)
    assert sentence.startswith("Not quantized, so that there are no steps to hold to a limit: dense int8, ")


def test_a_file_and_its_keras_model_are_held_to_the_same_argmax() -> None:
    checks = verification(30, 20, 10_000).artifacts  # the argmax is that of Keras on 99 % of the images
    assert require_agreement([], min_argmax=99, with_keras=checks) == []
    with pytest.raises(
        LimitNotMet, match=r"int8\.tflite against its Keras model: 99\.00 % equal argmax, of at least 99\.5"
    ):
        require_agreement([], min_argmax=99.5, with_keras=checks)


def test_where_nothing_was_compared_it_is_said() -> None:
    (sentence,) = require_agreement([], max_steps=1)
    assert sentence.startswith("Nothing was compared in steps: ")
    assert require_agreement([]) == []
