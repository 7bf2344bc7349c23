from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.profiling.statistics import compare, median_half_width, summarize

TRIALS = 200
PROCESSES = 16  # of `edgecompress compare`
RECORDED = Path(__file__).parent / "testdata" / "recorded_pairs.npz"


def interleaved(seed, *, effect, processes=PROCESSES, samples=400, noise=0.1, luck=0.015):
    """Two artifacts' series: lognormal noise, a level that a pair shares, and luck of each process alone."""
    generator = np.random.default_rng(seed)
    first, second = [], []
    for _ in range(processes):
        level_ns = 1e6 * generator.uniform(0.8, 1.2)
        for series, factor in ((first, 1.0), (second, effect)):
            own_ns = factor * level_ns * generator.lognormal(0, luck)
            series.append((own_ns * generator.lognormal(0, noise, samples)).astype(np.int64))
    return first, second


def verdicts(effect, **options):
    return [compare(*interleaved(seed, effect=effect, **options)).verdict for seed in range(TRIALS)]


def test_a_difference_of_3_percent_is_found():
    # A pair's log ratio spreads by sqrt(2 * (0.015^2 + (1.25 * 0.1 / sqrt(400))^2)) = 2.3 %, and by somewhat more since
    # it is a median of medians. Sixteen pairs: a standard error of 0.6 %, and log 1.03 is five of them, where Student's
    # test at this level finds 99 of 100.
    assert verdicts(1.03).count("slower") >= 0.9 * TRIALS
    assert verdicts(1 / 1.03).count("faster") >= 0.9 * TRIALS


@pytest.mark.parametrize("options", [{}, {"luck": 0.0}, {"luck": 0.05}, {"processes": 3}, {"noise": 0.4}])
def test_no_difference_is_not_called_one(options):
    # Two in a hundred by design, four in 200; more than ten, one in twenty, come by chance once in 400 runs.
    assert verdicts(1.0, **options).count("cannot tell") >= 0.95 * TRIALS


def recorded_calls(factor):
    """Verdicts over sixteen pairs drawn from real ones: one file against its copy, by scripts/comparison_calls.py."""
    with np.load(RECORDED) as file:
        twins = (file["first"], file["second"])
    generator, found = np.random.default_rng(1), []
    for _ in range(TRIALS):
        a, b = twins[:: 1 if generator.integers(2) else -1]
        drawn = generator.choice(len(a), PROCESSES, replace=False)
        found.append(compare(list(a[drawn]), list(b[drawn] * factor)).verdict)
    return found


def test_recorded_pairs_of_equal_files_are_not_called_different():
    assert recorded_calls(1.0).count("cannot tell") >= 0.95 * TRIALS


def test_a_difference_of_3_percent_is_found_in_recorded_pairs():
    assert recorded_calls(1.03).count("slower") >= 0.9 * TRIALS
    assert recorded_calls(1 / 1.03).count("faster") >= 0.9 * TRIALS


@pytest.mark.parametrize("processes", [3, 16])
def test_the_interval_holds_the_truth(processes):
    # 98 % nominal; below 188 of 200 a binomial with that mean falls once in 2,000 runs
    results = [compare(*interleaved(seed, effect=1.1, processes=processes)) for seed in range(TRIALS)]
    assert sum(each.low <= 1.1 <= each.high for each in results) >= 188


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
    result = compare([[100], [100]], [[150], [266]])
    assert result.ratio == pytest.approx(np.sqrt(1.5 * 2.66)) and result.verdict == "cannot tell"


def test_student_s_interval_by_hand():
    """Log ratios 0.1, 0.2 and 0.3: mean 0.2, deviation 0.1, and t(0.99, 2) = 6.9646 (any table)."""
    result = compare([[1000]] * 3, [[1000 * np.exp(each)] for each in (0.1, 0.2, 0.3)])
    half = 6.9646 * 0.1 / np.sqrt(3)
    assert np.log([result.low, result.high]) == pytest.approx([0.2 - half, 0.2 + half], abs=1e-4)


def test_series_must_pair_up():
    with pytest.raises(ValueError, match="2 and 1 series"):
        compare([[1], [2]], [[1]])
    with pytest.raises(ValueError, match="1 and 1 series"):
        compare([[1]], [[1]])


def test_several_comparisons_share_the_error():
    """Of six equal files, all fifteen pairs at once: two in a hundred sets by design, ten of 200 once in 400 runs."""
    wrong = 0
    for seed in range(TRIALS):
        generator = np.random.default_rng(seed)
        files = [[[each] for each in 1e6 * generator.lognormal(0, 0.015, 3)] for _ in range(6)]
        pairs = [(a, b) for index, a in enumerate(files) for b in files[:index]]
        wrong += any(compare(a, b, comparisons=len(pairs)).verdict != "cannot tell" for a, b in pairs)
    assert wrong <= 0.05 * TRIALS


def test_a_share_of_the_error_by_hand():
    """Two comparisons: t(0.995, 2) = 9.9248 (any table)."""
    result = compare([[1000]] * 3, [[1000 * np.exp(each)] for each in (0.1, 0.2, 0.3)], comparisons=2)
    half = 9.9248 * 0.1 / np.sqrt(3)
    assert np.log([result.low, result.high]) == pytest.approx([0.2 - half, 0.2 + half], abs=1e-4)


def test_quantiles_by_hand():
    """Of one process its own; of several their geometric means, each counting once."""
    summary = summarize([np.arange(0, 101) + 1])
    assert (summary.p5_ns, summary.p50_ns, summary.p90_ns, summary.p99_ns) == pytest.approx((6, 51, 91, 100))
    summary = summarize([np.full(50, 100), np.full(5000, 400)])
    assert (summary.count, summary.p5_ns, summary.p50_ns, summary.p99_ns) == pytest.approx((5050, 200, 200, 200))
    assert summary.mean_ns == pytest.approx((50 * 100 + 5000 * 400) / 5050)


def test_the_medians_interval_by_hand():
    """Log medians 0.1, 0.2 and 0.3: t(0.975, 2) = 4.3027; two processes: t(0.975, 1) = 12.706."""
    found, half = summarize(np.exp([[0.1], [0.2], [0.3]])), 4.3027 * 0.1 / np.sqrt(3)
    assert np.log([found.p50_low_ns, found.p50_high_ns]) == pytest.approx([0.2 - half, 0.2 + half], abs=1e-4)
    found, half = summarize(np.exp([[0.0], [0.02]])), 12.706 * 0.01  # two deviate by their distance over sqrt(2)
    assert np.log([found.p50_low_ns, found.p50_high_ns]) == pytest.approx([0.01 - half, 0.01 + half], abs=1e-4)


def test_one_process_has_no_interval():
    found = summarize([np.random.default_rng(1).lognormal(10, 0.2, 100)])
    assert found.p50_low_ns is None and found.p50_high_ns is None


def test_processes_that_differ_without_measure_have_an_interval_all_the_same():
    found = summarize([[1], [10**12]])
    assert found.p50_low_ns < 1e-60 and found.p50_high_ns == pytest.approx(1e6 * (1e6 / found.p50_low_ns))


def normal(generator, count):
    return generator.normal(size=count)


def heavy(generator, count):
    """Student's law with three degrees of freedom, of deviation 1: now and then a process is far off."""
    return generator.standard_t(3, count) / np.sqrt(3)


def spiky(generator, count):
    """One sample in twenty takes as much as ten times longer."""
    return np.where(generator.random(count) < 0.05, generator.uniform(0, 23, count), generator.normal(size=count))


@cache
def typical(noise):
    """The median of 100 samples, on average."""
    return np.mean([np.median(noise(np.random.default_rng(seed), 100)) for seed in range(10_000)])


def covered(draw, truth_ns, processes, trials):
    """The share of intervals that hold the truth."""
    found = [summarize(draw(np.random.default_rng(seed), processes)) for seed in range(trials)]
    return np.mean([each.p50_low_ns <= truth_ns <= each.p50_high_ns for each in found])


@pytest.mark.parametrize("processes", [3, 5, 10])
@pytest.mark.parametrize(
    ("luck", "noise"), [(normal, normal), (heavy, normal), (normal, heavy), (normal, spiky), (heavy, spiky)]
)
def test_the_interval_of_a_median_covers_95_percent(luck, noise, processes):
    """Luck of 1.5 % a process around noise of 10 % a sample. The noise's median is what it gives on average.

    1,000 trials know a share of 95 % within 0.7 %, so that 93 and 97 % are three deviations away.
    """

    def draw(generator, count):
        return [1e6 * np.exp(0.015 * each + 0.1 * noise(generator, 100)) for each in luck(generator, count)]

    assert 0.93 <= covered(draw, 1e6 * np.exp(0.1 * typical(noise)), processes, 1000) <= 0.97


@pytest.mark.parametrize("processes", [3, 5, 10])
def test_the_interval_of_a_median_covers_95_percent_of_draws_from_recorded_processes(processes):
    """The truth is the median of all 120 processes' medians: what a process takes that is neither lucky nor unlucky."""
    with np.load(RECORDED) as file:
        medians_ns = np.median(np.concatenate([file["first"], file["second"]]), axis=1)

    def draw(generator, count):
        return generator.choice(medians_ns, (count, 1))  # of a series, its median is all that counts here

    assert 0.93 <= covered(draw, np.median(medians_ns), processes, 10_000) <= 0.97


@given(st.lists(st.lists(st.integers(1, 10**12), min_size=1, max_size=30), min_size=1, max_size=4))
def test_a_summary_is_ordered(series):
    summary = summarize(series)
    assert summary.p5_ns <= summary.p50_ns <= summary.p90_ns <= summary.p99_ns
    if len(series) > 1:
        assert summary.p50_low_ns <= summary.p50_ns <= summary.p50_high_ns


def test_the_half_width_is_that_of_the_normal_law():
    # Of a normal law the median's standard error is 1.2533 sigma / sqrt(n): 1.96 * 1.2533 * 50 / 1000 / sqrt(10000).
    # Two order statistics 98 ranks from the middle differ from draw to draw by some 10 %; the mean of 200 by under 1 %.
    widths = [median_half_width(np.random.default_rng(seed).normal(1000, 50, 10_000)) for seed in range(200)]
    assert np.mean(widths) == pytest.approx(1.96 * 1.2533 * 0.05 / 100, rel=0.05)


def test_too_few_samples_have_no_half_width():
    # The interval's ranks n/2 +- 1.96 sqrt(n)/2 fit within n samples from n = 4 on
    assert median_half_width(np.arange(1, 4)) == np.inf
    assert median_half_width(np.arange(1, 11)) < np.inf
