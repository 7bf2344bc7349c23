"""Bounds of agreement: what rounding makes of a signal passes, what a fault makes of it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.convert.agreement import BOUNDS, Differences
from edgecompress.numerics.signal import EQUAL_DB, signal_to_noise_db

SIGNAL = np.random.default_rng(0).normal(size=(8, 50)).astype(np.float32)


def noisy(decibels: float) -> np.ndarray:
    """The signal with noise of that ratio."""
    noise = np.random.default_rng(1).normal(size=SIGNAL.shape)
    noise *= np.sqrt(SIGNAL.astype(np.float64).var() / 10 ** (decibels / 10) / np.square(noise).mean())
    return SIGNAL + noise


@given(st.floats(-20, 120))
def test_the_ratio_is_that_of_the_noise(decibels: float) -> None:
    assert signal_to_noise_db(SIGNAL, float(np.square(noisy(decibels) - SIGNAL).mean())) == pytest.approx(decibels)


def test_the_ends_of_the_scale() -> None:
    assert signal_to_noise_db(SIGNAL, 0.0) == EQUAL_DB
    assert signal_to_noise_db(np.ones(5), 1e-20) == -EQUAL_DB
    assert signal_to_noise_db(SIGNAL, float("nan")) == -EQUAL_DB
    assert signal_to_noise_db(np.zeros(0), 0.0) == EQUAL_DB


@pytest.mark.parametrize("precision", sorted(BOUNDS))
def test_an_output_holds_above_the_floor_and_not_below(precision: str) -> None:
    floor = BOUNDS[precision].floor_db
    above, below = (Differences("y", SIGNAL, noisy(floor + more)) for more in (1.5, -1.5))  # the median sample strays
    assert above.holds(precision, floor) and not below.holds(precision, floor)


def test_a_signal_that_is_smaller_than_a_step_of_the_output_holds() -> None:
    small = SIGNAL * 1e-4
    rounded = np.rint(small * 256) / 256
    assert not Differences("y", small, rounded).holds("int8", 10)
    assert Differences("y", small, rounded).holds("int8", 10, step=1 / 256)
    assert not Differences("y", small, rounded + 2 / 256).holds("int8", 10, step=1 / 256)


def test_a_constant_output_holds_up_to_float32_s_rounding() -> None:
    constant = np.full((4, 3), 7.0)
    assert Differences("y", constant, constant + 7 * 2.0**-20).holds("float32", 84)
    assert not Differences("y", constant, constant + 7 * 2.0**-16).holds("float32", 84)


def test_what_a_network_amplifies_is_its_own() -> None:
    found = noisy(60)
    response = float(np.sqrt(np.square(found - SIGNAL).mean()))
    assert not Differences("y", SIGNAL, found).holds("float32", 84)
    assert Differences("y", SIGNAL, found).holds("float32", 84, response=response)
    assert not Differences("y", SIGNAL, found).holds("float32", 84, response=response / 100)


def test_a_network_that_amplifies_everything_excuses_nothing() -> None:
    assert Differences("y", SIGNAL, noisy(12)).holds("float32", 84, response=1e9)
    assert not Differences("y", SIGNAL, noisy(8)).holds("float32", 84, response=1e9)


def test_one_turned_sign_is_an_exception_in_a_binary_file_only() -> None:
    found = SIGNAL.copy()
    found[3] += 2
    assert Differences("y", SIGNAL, found).holds("binary", 84)
    assert not Differences("y", SIGNAL, found).holds("float32", 84)
    found[2:7] += 2
    assert not Differences("y", SIGNAL, found).holds("binary", 84)


def test_integers_agree_element_by_element() -> None:
    expected = np.arange(100).reshape(10, 10)
    found = expected.copy()
    found[0, :8] += 1
    assert Differences("y", expected, found).holds("float32", 84)  # 92 of 100 are equal
    found[1, :8] += 1
    assert not Differences("y", expected, found).holds("float32", 84)
    assert Differences("y", expected, found).holds("int8", 10)


def test_another_form_never_holds() -> None:
    assert not Differences("y", SIGNAL, SIGNAL[:, :49]).holds("int8", 10)
    infinite = SIGNAL.copy()
    infinite[0, 0] = np.inf
    assert not Differences("y", SIGNAL, infinite).holds("int8", 10)
    assert Differences("y", infinite, infinite).holds("float32", 84)  # the source's own
    assert Differences("y", infinite, infinite).agreement("float32", "noise").largest_difference == 0
