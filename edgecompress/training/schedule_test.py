"""The learning-rate schedule, worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.training.schedule import cosine_with_warmup


def test_by_hand() -> None:
    rates = [cosine_with_warmup(step, steps=10, warmup_steps=2, peak=1.0) for step in range(10)]
    assert rates[:3] == [0.5, 1.0, 1.0]
    assert rates[6] == pytest.approx(0.5)  # half-way down: cos(pi / 2) = 0
    assert rates[9] == pytest.approx((1 + -0.9238795325112867) / 2)  # cos(7 pi / 8)


@given(st.integers(1, 500), st.integers(0, 100), st.floats(1e-6, 1.0))
def test_rises_then_falls_within_the_peak(steps: int, warmup_steps: int, peak: float) -> None:
    rates = [cosine_with_warmup(step, steps=steps, warmup_steps=warmup_steps, peak=peak) for step in range(steps)]
    assert all(0.0 <= rate <= peak for rate in rates)
    rise, fall = rates[:warmup_steps], rates[warmup_steps:]
    assert rise == sorted(rise) and fall == sorted(fall, reverse=True)
