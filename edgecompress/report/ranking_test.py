from hypothesis import given
from hypothesis import strategies as st

from edgecompress.report.content import Interval
from edgecompress.report.ranking import BEST, CANNOT_TELL, pareto_front, rank


def exact(value: float) -> Interval:
    return Interval(value, value, value)


def about(value: float) -> Interval:
    return Interval(value, value - 1, value + 1)


intervals = st.tuples(*[st.integers(0, 12)] * 3).map(sorted).map(lambda x: Interval(x[1], x[0], x[2]))
points = st.lists(st.one_of(st.none(), st.tuples(intervals, intervals, intervals)), max_size=8)


def test_the_smallest_is_best_and_equal_ones_share_it() -> None:
    assert rank([exact(3), exact(2), exact(2), exact(5)]) == ["", BEST, BEST, ""]


def test_nothing_is_best_where_all_are_equal_or_alone() -> None:
    assert rank([exact(2), exact(2)]) == ["", ""]
    assert rank([exact(2), None]) == ["", ""]
    assert rank([]) == []


def test_overlapping_intervals_are_not_ranked() -> None:
    assert rank([about(10), about(11.5), about(13.1), None]) == [CANNOT_TELL, CANNOT_TELL, "", ""]
    assert rank([about(10), about(12.5)]) == [BEST, ""]


@given(values=st.lists(st.one_of(st.none(), intervals), max_size=8))
def test_what_is_marked_best_beats_everything_unmarked(values: list[Interval | None]) -> None:
    marks = rank(values)
    marked = [value for value, mark in zip(values, marks, strict=True) if mark]
    unmarked = [value for value, mark in zip(values, marks, strict=True) if value and not mark]
    if marked:
        smallest = min(marked, key=lambda value: value.value)
        assert all(smallest.high < value.low for value in unmarked)
        assert len(set(marks) - {""}) == 1


def test_a_smaller_file_of_equal_accuracy_and_undecided_latency_dominates() -> None:
    small, large = (exact(10), exact(-90), about(5.5)), (exact(11), exact(-90), about(5))
    assert pareto_front([small, large]) == [True, False]


def test_a_decided_latency_saves_a_larger_file_and_an_unknown_one_is_not_on_the_front() -> None:
    small, fast = (exact(10), exact(-90), about(9)), (exact(11), exact(-90), about(5))
    assert pareto_front([small, fast, None]) == [True, True, False]


@given(points=points)
def test_the_front_is_empty_only_where_nothing_is_known(points: list[tuple[Interval, ...] | None]) -> None:
    assert any(pareto_front(points)) == any(point is not None for point in points)


@given(points=points, extra=st.tuples(*[st.integers(13, 20).map(exact)] * 3))
def test_a_point_that_is_worse_everywhere_changes_nothing(points, extra) -> None:
    if any(point is not None for point in points):
        assert pareto_front([*points, extra]) == [*pareto_front(points), False]
