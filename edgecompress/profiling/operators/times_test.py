import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.profiling.operators.times import agree, median_ns, summary
from edgecompress.values import OperatorTime


@pytest.mark.parametrize(
    ("elapsed_us", "found_ns"),
    [
        ([7], 7_000),
        ([12, 10, 2000], 12_000),
        ([0, 0, 0, 0, 1, 1], 250),  # two thirds are 0: -1/2 + (6/2 - 0) / 4
        ([0, 1, 1, 1], 833.3),  # 1/2 + (4/2 - 1) / 3
        ([0, 0, 0], 0),
    ],
)
def test_medians_worked_by_hand(elapsed_us, found_ns):
    assert median_ns(elapsed_us) == pytest.approx(found_ns, abs=0.1)


@given(st.lists(st.integers(0, 1000), min_size=3, max_size=60), st.data())
def test_a_minority_of_pre_empted_inferences_does_not_carry_it_away(elapsed_us, data):
    """Fewer than half may be anything: the median stays within what the others are, and half a microsecond."""
    spoilt = data.draw(st.integers(0, (len(elapsed_us) - 1) // 2))
    mixed = [each + 1_000_000 for each in elapsed_us[:spoilt]] + elapsed_us[spoilt:]
    rest = elapsed_us[spoilt:]
    assert 1000 * (min(rest) - 0.5) <= median_ns(mixed) <= 1000 * (max(rest) + 0.5)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_it_is_the_median_within_half_a_microsecond(elapsed_us):
    low, high = statistics.median_low(elapsed_us), statistics.median_high(elapsed_us)
    assert 1000 * (low - 0.5) <= median_ns(elapsed_us) <= 1000 * (high + 0.5)


def table(*times_us):
    return [OperatorTime(str(index), "", 1000.0 * time, 1.0) for index, time in enumerate(times_us)]


@pytest.mark.parametrize(
    ("times_us", "p50_us", "agrees", "said"),
    [
        ((50, 40), 88, True, "they add up to 90.0 µs, an ordinary inference takes 88.0 µs"),
        ((50, 40), 60, False, "DISAGREE: they add up to 90.0 µs, an ordinary inference takes 60.0 µs"),
        ((2150,), 60, False, "DISAGREE"),
        ((50, 40), 200, False, "the rest is spent outside of operators"),
        ((1,), 2, True, "they add up to 1.0 µs"),  # as many microseconds off as there are operators
        ((), 2, False, "the rest"),
    ],
)
def test_what_is_said_of_the_sum(times_us, p50_us, agrees, said):
    operators = table(*times_us)
    assert agree(operators, 1000 * p50_us) is agrees
    assert said in summary(operators, 1000 * p50_us) and "medians of 50 inferences" in summary(operators, 1000 * p50_us)
