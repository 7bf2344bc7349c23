"""Paired comparisons against the examples of papers, the likelihood itself, and simulated classifiers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.numerics.paired import (
    Z,
    finest_drop,
    images_to_tell,
    mcnemar_mid_p,
    paired_drop,
    score,
    tango_interval,
)

counts = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 2000)).map(
    lambda each: (each[0], each[1], each[0] + each[1] + each[2])
)


def test_the_published_example() -> None:
    """Airway hyper-responsiveness of 21 children before and after a transplantation: 1 against 7 changed.

    Fagerland, Lydersen and Laake 2013: mid-p 0.039, and the exact p, which it is made from, 0.070. The same in
    Statistics in Medicine 33 (2014) 2850: Tango's interval -0.517 to -0.026.
    """
    assert mcnemar_mid_p(1, 7) == pytest.approx(0.039, abs=5e-4)
    assert mcnemar_mid_p(1, 7) + math.comb(8, 1) / 2**8 == pytest.approx(0.070, abs=5e-4)
    assert tango_interval(1, 7, 21) == (pytest.approx(-0.517, abs=5e-4), pytest.approx(-0.026, abs=5e-4))


def test_by_hand() -> None:
    first = np.array([1, 1, 1, 1, 0, 0, 1, 1], bool)
    second = np.array([1, 1, 0, 0, 1, 0, 0, 1], bool)
    found = paired_drop(first, second)
    assert (found.lost, found.won, found.images, found.points) == (3, 1, 8, 25.0)
    # Four tosses, at most one head: (1 + 4) / 16; half of the 4 / 16 of exactly one is taken off; two sides.
    assert found.p_value == pytest.approx(2 * (5 / 16 - 2 / 16))
    assert not found.told


def test_models_that_agree_on_all_images_are_known_to_a_width() -> None:
    """With q = max(0, -d) the score is `-d sqrt(N / (|d| (1 - |d|)))`, so that d = z^2 / (N + z^2)."""
    low, high = tango_interval(0, 0, 1000)
    assert (low, high) == (pytest.approx(-finest_drop(1000)), pytest.approx(finest_drop(1000)))
    assert mcnemar_mid_p(0, 0) == 1


def test_ends_of_the_range() -> None:
    assert tango_interval(21, 0, 21)[1] == 1 and tango_interval(0, 21, 21)[0] == -1
    assert all(math.isfinite(limit) for limit in tango_interval(1, 0, 1) + tango_interval(0, 0, 1))


@pytest.mark.parametrize("shapes", [((3,), (4,)), ((0,), (0,)), ((2, 2), (2, 2))])
def test_flags_of_other_images_are_refused(shapes) -> None:
    with pytest.raises(ValueError, match="the same images"):
        paired_drop(*(np.zeros(shape, bool) for shape in shapes))


@given(counts)
def test_the_interval_holds_what_was_seen_and_turns_with_the_order(found: tuple[int, int, int]) -> None:
    lost, won, images = found
    low, high = tango_interval(lost, won, images)
    assert -1 <= low <= (lost - won) / images <= high <= 1
    turned = tango_interval(won, lost, images)
    assert turned == (pytest.approx(-high, abs=1e-9), pytest.approx(-low, abs=1e-9))
    assert mcnemar_mid_p(lost, won) == mcnemar_mid_p(won, lost)


@given(counts, st.floats(-0.9, 0.9))
def test_the_share_in_the_score_is_the_likeliest(found: tuple[int, int, int], difference: float) -> None:
    """No share on a fine grid makes the counts likelier than the one that the score's variance is made of."""
    lost, won, images = found
    value = score(lost, won, images, difference)
    excess = lost - won - images * difference
    if abs(excess) < 1e-6 or not math.isfinite(value):
        return
    share = ((excess / value) ** 2 / images - difference * (1 - difference)) / 2

    def likelihood(q: np.ndarray) -> np.ndarray:
        shares = np.stack([q + difference, q, 1 - 2 * q - difference])
        weights = np.array([[lost], [won], [images - lost - won]])
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(weights > 0, weights * np.log(np.maximum(shares, 0)), 0)
        return terms.sum(0)

    grid = np.linspace(max(0.0, -difference), (1 - difference) / 2, 500)
    inside = np.clip(share, grid[0], grid[-1])
    assert share == pytest.approx(inside, abs=1e-9)
    # An epsilon at the edge of the range costs up to N times its logarithm's step.
    assert likelihood(np.array([inside]))[0] >= likelihood(grid).max() - 1e-6 * images


@given(counts, st.integers(-3000, 3000).map(lambda each: each / 1e4))
def test_so_many_images_tell_and_one_less_does_not(found: tuple[int, int, int], limit: float) -> None:
    lost, won, images = found
    needed = images_to_tell(lost, won, images, limit)
    if needed is None:
        return
    # The score of k times the counts is the root of k times the score, at any k, whole or not.
    value = abs(score(lost, won, images, limit))
    assert value * math.sqrt(needed / images) >= Z - 1e-9
    assert value * math.sqrt((needed - 1) / images) < Z or needed == 1
    low, high = tango_interval(lost, won, images)
    if abs(limit - low) > 1e-9 and abs(limit - high) > 1e-9:
        assert (needed <= images) == (not low <= limit <= high)


def test_no_number_of_images_tells_a_drop_from_itself() -> None:
    assert images_to_tell(30, 20, 1000, 0.01) is None
    assert images_to_tell(0, 0, 1000, 0.01) == math.ceil(Z**2 * 0.99 / 0.01)


TRIALS = 4000


@pytest.mark.parametrize("images", [200, 1000, 10_000])
@pytest.mark.parametrize(("lost", "won"), [(0.01, 0.01), (0.02, 0.01), (0.05, 0.05), (0.1, 0.02)])
def test_coverage(images: int, lost: float, won: float) -> None:
    """Of simulated pairs of classifiers, 93 to 97 % have the true drop in the interval.

    With 4000 trials the standard error of a coverage of 95 % is 0.34 points: the bounds are some six of them off.
    """
    generator = np.random.default_rng(0)
    drawn = generator.multinomial(images, [lost, won, 1 - lost - won], TRIALS)
    pairs, frequency = np.unique(drawn[:, :2], axis=0, return_counts=True)
    limits = np.array([tango_interval(int(a), int(b), images) for a, b in pairs])
    covered = frequency @ ((limits[:, 0] <= lost - won) & (lost - won <= limits[:, 1])) / TRIALS
    assert 0.93 < covered < 0.97


MOST = 150  # differing images, for the sum below


@pytest.fixture(scope="module")
def told_by_count() -> np.ndarray:
    """The chance that two equal models are told apart, by how many images they differ on: who wins one is a coin."""
    from scipy.stats import binom

    found = []
    for count in range(MOST + 1):
        few = [lost for lost in range(count // 2 + 1) if mcnemar_mid_p(lost, count - lost) < 0.05]
        found.append(2 * binom.pmf(few, count, 0.5).sum())
    return np.array(found)


@pytest.mark.parametrize("images", [100, 1000, 10_000])
@pytest.mark.parametrize("mean", [1, 2, 4, 5, 6, 8, 10, 15, 20, 30, 40, 50])
def test_equal_models_are_told_apart_in_at_most_5_percent(mean: int, images: int, told_by_count: np.ndarray) -> None:
    """Summed over all outcomes, not simulated; `mean` images differ on average."""
    from scipy.stats import binom

    chances = binom.pmf(np.arange(MOST + 1), images, mean / images)
    assert chances.sum() > 1 - 1e-9
    assert chances @ told_by_count <= 0.05


def test_shares_are_compared_by_their_mean_difference() -> None:
    first, second = np.array([0.9, 0.8, 1.0, 0.4, 0.7]), np.array([0.8, 0.8, 0.7, 0.5, 0.6])
    found = paired_drop(first, second)
    # differences 0.1, 0, 0.3, -0.1, 0.1: mean 0.08, s 0.1483, t_4 = 1.206, whose two-sided p is 0.294
    assert (found.points, found.lost, found.won, found.images) == (pytest.approx(8), 3, 1, 5)
    assert (found.low, found.high) == (pytest.approx(-10.4, abs=0.1), pytest.approx(26.4, abs=0.1))
    assert found.p_value == pytest.approx(0.294, abs=0.001) and not found.told
    assert found.images_to_tell(8) is None
    # It would take the square of 18.4 / 8 times as many for 0 to be outside.
    assert found.images_to_tell(0) == 27


def test_equal_shares_have_no_drop_and_one_sample_tells_nothing() -> None:
    assert paired_drop(np.array([0.5, -np.inf]), np.array([0.5, -np.inf])).p_value == 1
    assert paired_drop(np.array([0.5, 1.0]), np.array([0.25, 0.75])).told  # the same everywhere
    assert not paired_drop(np.array([0.5]), np.array([0.25])).told
