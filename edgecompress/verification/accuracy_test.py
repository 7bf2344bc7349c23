"""Accuracy and its interval by hand, and flags that come back as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.verification.accuracy import accuracy, flags_of, packed_flags, right_flags


def test_wilson_interval_by_hand() -> None:
    scores = np.eye(10)[np.arange(10) % 10]
    labels = np.array([0, 1, 2, 3, 4, 5, 6, 7, 0, 0])  # 8 of 10 right
    found = accuracy(scores, labels)
    assert found.percent == pytest.approx(80)
    # Newcombe 1998, method 3: 8 of 10 gives 49.02 % to 94.33 %.
    assert (found.low, found.high) == (pytest.approx(49.02, abs=0.01), pytest.approx(94.33, abs=0.01))


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_never_right(odd: float) -> None:
    scores = np.array([[1.0, 0.0, 0.0], [odd, 0.0, 0.0], [1.0, odd, 0.0]])
    assert right_flags(scores, np.array([0, 0, 0])).tolist() == [True, False, False]


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_packed_flags_come_back(flags: list[bool]) -> None:
    found = flags_of(packed_flags(np.array(flags)), len(flags))
    assert found is not None and found.tolist() == flags


@pytest.mark.parametrize(("text", "count"), [("", 8), ("/w==", 9), ("/w==", 0), ("no base64", 8), ("/w", 8), ("é", 8)])
def test_text_that_holds_other_flags_is_none(text: str, count: int) -> None:
    assert flags_of(text, count) is None
