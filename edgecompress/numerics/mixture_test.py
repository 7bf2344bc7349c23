"""Densities, merging and assignment of a mixture, by hand and by the laws they follow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgecompress.numerics.mixture import Mixture, assign

TWO = Mixture(np.log([0.5, 0.5]), np.array([0.0, 1.0]), np.array([1.0, 2.0]))


def test_log_densities_by_hand() -> None:
    # N(1 | 0, 1) = exp(-1/2) / sqrt(2 pi), N(1 | 1, 4) = 1 / (2 sqrt(2 pi)); a few roundings of float64.
    expected = [[0.5 * math.exp(-0.5) / math.sqrt(2 * math.pi), 0.25 / math.sqrt(2 * math.pi)]]
    np.testing.assert_allclose(np.exp(TWO.log_densities(np.array([1.0]))), expected, rtol=16 * 2.0**-53)


def test_the_divergence_by_hand() -> None:
    # KL(0||1) + KL(1||0) = (1/4 + 4 - 2 + 1 (1 + 1/4)) / 2, all exact in binary.
    assert TWO.divergence(0, 1) == TWO.divergence(1, 0) == 1.75
    assert TWO.divergence(0, 0) == 0.0


def test_components_that_are_the_same_become_one_but_not_with_the_zeros() -> None:
    shares = np.array([0.4, 0.1, 0.3, 0.2])
    mixture = Mixture(np.log(shares), np.array([0.0, 0.0, 0.0, 2.0]), np.array([1.0, 1.0, 1.0, 1.0]))
    merged = mixture.merged(1e-10)
    np.testing.assert_array_equal(merged.means, [0.0, 2.0, 0.0])
    np.testing.assert_allclose(np.exp(merged.log_shares), [0.4, 0.2, 0.4], rtol=16 * 2.0**-53)
    weights = np.linspace(-3, 3, 7)
    before, after = (np.exp(each.log_densities(weights)).sum(axis=1) for each in (mixture, merged))
    np.testing.assert_allclose(before, after, rtol=32 * 2.0**-53)


def test_merging_keeps_mean_and_variance() -> None:
    mixture = Mixture(np.log([0.5, 0.25, 0.25]), np.array([0.0, 1.0, 3.0]), np.array([1.0, 2.0, 2.0]))
    merged = mixture.merged(np.inf)
    assert merged.means[1] == pytest.approx(2.0, rel=1e-15)
    assert merged.deviations[1] ** 2 == pytest.approx(4 + 1, rel=1e-15)  # within, and between the two


def test_each_weight_becomes_the_mean_of_its_component() -> None:
    mixture = Mixture(np.log([0.9, 0.05, 0.05]), np.array([0.0, -1.0, 1.0]), np.full(3, 0.1))
    weights = np.array([[0.02, 0.97], [-1.2, 0.4], [0.6, -0.1]], np.float32)
    np.testing.assert_array_equal(assign(weights, mixture).decode(), [[0, 1], [-1, 0], [1, 0]])


def test_components_without_members_have_no_value() -> None:
    mixture = Mixture(np.log([0.9, 0.05, 0.05]), np.array([0.0, -1.0, 1.0]), np.full(3, 0.1))
    assert list(assign(np.array([0.9, 1.1], np.float32), mixture).values) == [1.0]
    assert assign(np.array([0.01], np.float32), mixture).values.size == 0
