"""Accuracy and its interval by hand, and flags and shares that come back as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.verification.accuracy import accuracy_of, packed, unpacked


def test_wilson_interval_by_hand() -> None:
    found = accuracy_of(np.arange(10) < 8)  # 8 of 10 right
    assert found.percent == pytest.approx(80)
    # Newcombe 1998, method 3: 8 of 10 gives 49.02 % to 94.33 %.
    assert (found.low, found.high) == (pytest.approx(49.02, abs=0.01), pytest.approx(94.33, abs=0.01))


def test_students_interval_of_shares_by_hand() -> None:
    found = accuracy_of(np.array([0.5, 1.0, 0.75, 0.25, -0.5]))
    # mean 0.4, s 0.5755, t_4 2.776
    assert found.percent == pytest.approx(40)
    assert (found.low, found.high) == (pytest.approx(-31.5, abs=0.1), pytest.approx(111.5, abs=0.1))


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_packed_flags_come_back(flags: list[bool]) -> None:
    found = unpacked(packed(np.array(flags)), len(flags))
    assert found is not None and found.tolist() == flags


@given(st.lists(st.floats(-8, 1, width=32), min_size=1, max_size=20))
def test_packed_shares_come_back(shares: list[float]) -> None:
    found = unpacked(packed(np.array(shares)), len(shares))
    assert found is not None and found.tolist() == shares


@pytest.mark.parametrize(
    ("text", "count"),
    [("f4:AACAPw==", 2), ("f4:AACAP", 1), ("", 8), ("/w==", 9), ("/w==", 0), ("no base64", 8), ("/w", 8), ("é", 8)],
)
def test_text_that_holds_other_flags_is_none(text: str, count: int) -> None:
    assert unpacked(text, count) is None
