import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.profiling.statistics import compare, median_half_width, summarize

TRIALS = 200


def interleaved(seed, *, effect, processes=3, samples=400, noise=0.1):
    """Two artifacts' series: lognormal noise, and a level of each process, within 20 %, that both share."""
    generator = np.random.default_rng(seed)
    first, second = [], []
    for _ in range(processes):
        level_ns = 1e6 * generator.uniform(0.8, 1.2)
        first.append((level_ns * generator.lognormal(0, noise, samples)).astype(np.int64))
        second.append((effect * level_ns * generator.lognormal(0, noise, samples)).astype(np.int64))
    return first, second


def verdicts(effect):
    return [compare(*interleaved(seed, effect=effect)).verdict for seed in range(TRIALS)]


def test_a_difference_of_3_percent_is_found():
    # Expected: the log ratio of two medians of 1200 samples has a standard error of 1.25 * 0.1 * sqrt(2 / 1200), which
    # is 0.5 %, so that log 1.03 is almost six of them; the required nine in ten leaves room for the median over chunks.
    assert verdicts(1.03).count("slower") >= 0.9 * TRIALS
    assert verdicts(1 / 1.03).count("faster") >= 0.9 * TRIALS


def test_no_difference_is_not_called_one():
    assert verdicts(1.0).count("cannot tell") >= 0.95 * TRIALS


def test_the_interval_holds_the_truth():
    # 95 % nominal; 180 of 200 is where a binomial with that mean falls below with probability 0.0012
    results = [compare(*interleaved(seed, effect=1.1)) for seed in range(TRIALS)]
    assert sum(each.low <= 1.1 <= each.high for each in results) >= 180


def test_the_ratio_is_of_the_second_to_the_first():
    first, second = [np.full(50, 100)] * 3, [np.full(70, 50)] * 3
    result = compare(first, second)
    assert (result.ratio, result.verdict) == (pytest.approx(0.5), "faster")


def test_what_slows_both_at_once_cancels():
    """A clock that halves in the middle moves each median, but not the ratio."""
    clock = np.repeat([1.0, 2.0], 200)
    first = [1e6 * clock] * 3
    assert compare(first, [1.05 * each for each in first]).low == pytest.approx(1.05)


def test_a_few_samples_are_enough_to_answer():
    assert compare([[100]], [[200]]).ratio == pytest.approx(2)


def test_series_must_pair_up():
    with pytest.raises(ValueError, match="2 and 1 series"):
        compare([[1], [2]], [[1]])


def test_quantiles_by_hand():
    summary = summarize([np.arange(0, 51), np.arange(51, 101)])
    assert (summary.count, summary.p5_ns, summary.p50_ns, summary.p90_ns, summary.p99_ns) == (101, 5, 50, 90, 99)
    assert summary.mean_ns == 50


def test_the_interval_of_the_median_knows_that_processes_differ():
    generator = np.random.default_rng(0)
    alike = [generator.normal(1000, 10, 500) for _ in range(5)]
    different = [each + shift for each, shift in zip(alike, (-200, -100, 0, 100, 200), strict=True)]
    width = [each.p50_high_ns - each.p50_low_ns for each in map(summarize, (alike, different))]
    # Alike: 2 * 1.96 * 1.25 * 10 / sqrt(2500) = 2, and somewhat more for the level above. Different: a median of five
    # levels drawn from five, 100 apart.
    assert width[0] < 6 and width[1] >= 100


def test_the_same_seed_gives_the_same_summary():
    series = [np.random.default_rng(1).lognormal(10, 0.2, 100)]
    assert summarize(series, seed=3) == summarize(series, seed=3) != summarize(series, seed=4)


@given(st.lists(st.lists(st.integers(1, 10**12), min_size=1, max_size=30), min_size=1, max_size=4))
def test_a_summary_is_ordered(series):
    summary = summarize(series)
    assert summary.p5_ns <= summary.p50_ns <= summary.p90_ns <= summary.p99_ns
    assert summary.p50_low_ns <= summary.p50_high_ns


def test_the_half_width_is_that_of_the_normal_law():
    # Of a normal law the median's standard error is 1.2533 sigma / sqrt(n): 1.96 * 1.2533 * 50 / 1000 / sqrt(10000).
    # Two order statistics 98 ranks from the middle differ from draw to draw by some 10 %; the mean of 200 by under 1 %.
    widths = [median_half_width(np.random.default_rng(seed).normal(1000, 50, 10_000)) for seed in range(200)]
    assert np.mean(widths) == pytest.approx(1.96 * 1.2533 * 0.05 / 100, rel=0.05)


def test_too_few_samples_have_no_half_width():
    # The interval's ranks n/2 +- 1.96 sqrt(n)/2 fit within n samples from n = 4 on
    assert median_half_width(np.arange(1, 4)) == np.inf
    assert median_half_width(np.arange(1, 11)) < np.inf
