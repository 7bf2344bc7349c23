from __future__ import annotations

import math

import numpy as np
import pytest

from edgecompress.numerics.student import half_width


def test_it_is_what_tables_of_student_s_distribution_say() -> None:
    # t is 4.303 at two degrees of freedom and 2.262 at nine; both samples have a deviation of 1.
    assert half_width([1.0, 2.0, 3.0]) == pytest.approx(4.303 / math.sqrt(3), rel=1e-3)
    ten = np.arange(10) / np.std(np.arange(10), ddof=1)
    assert half_width(ten) == pytest.approx(2.262 / math.sqrt(10), rel=1e-3)
    assert half_width(ten, quantile=0.995) == pytest.approx(3.250 / math.sqrt(10), rel=1e-3)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_a_single_value_tells_nothing_of_its_spread(values) -> None:
    assert half_width(values) == math.inf


def test_it_covers_the_mean_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(0).normal(size=(2000, 3))
    covered = np.mean([abs(values.mean()) <= half_width(values) for values in drawn])
    assert abs(covered - 0.95) < 0.02  # four standard errors of a share of 2,000
