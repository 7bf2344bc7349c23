from dataclasses import replace

import numpy as np
import pytest

from edgecompress.formats.sizes import Sizes
from edgecompress.report.collect import collect
from edgecompress.report.columns import columns, front, marks, table
from edgecompress.report.conftest import right as right_of
from edgecompress.report.content import Interval, Row, Setting, Timing
from edgecompress.runs.folder import RunFolder
from edgecompress.verification import Accuracy, packed

generator = np.random.default_rng(0)
ONE, TWO = Setting("local", 1), Setting("local", 2)
P50 = "p50_ms@local/1"


def row(size: int, percent: float | None = None, p50_ms: float | None = None, half_width: float = 0.01) -> Row:
    timings = ()
    if p50_ms is not None:
        luck = half_width * generator.normal(size=3) / 4.3  # by Student's law, about this half width
        processes = tuple(p50_ms * (1 + luck))
        p50 = Interval(p50_ms, p50_ms * (1 - half_width), p50_ms * (1 + half_width), processes, "today")
        load, first = Interval(2.0, 1.5, 2.5), Interval(1.0, 0.9, 1.1)
        timings = (Timing(ONE, "LiteRT", 3, p50, p50_ms * 0.9, p50_ms * 1.1, p50_ms * 1.5, load, first, 2**20, True),)
    made = Row(f"{size}.tflite", "dense", "tflite:int8", Sizes(size, size, size), timings=timings)
    if percent is None:
        return made
    accuracy, right = Accuracy(percent, percent - 0.5, percent + 0.5, 10_000), right_of(round(100 * percent))
    return replace(made, accuracy=accuracy, drop=90 - percent, keras_agreement=percent, right=packed(right))


def test_keys_are_stable() -> None:
    assert [column.key for column in columns((ONE, TWO))] == [
        "raw_bytes",
        "gzip_bytes",
        "zstd_bytes",
        "accuracy",
        "drop",
        "keras_agreement",
        "p50_ms@local/1",
        "p50_ms@local/2",
        "load_ms",
        "first_ms",
        "model_memory_bytes",
    ]


def test_best_is_the_smallest_file_the_largest_accuracy_and_the_shortest_time() -> None:
    small, fast = marks((row(1024, 89.0, 2.0), row(4096, 89.9, 1.0)), (ONE,))
    assert small.marks == {"raw_bytes": "best", "gzip_bytes": "best", "zstd_bytes": "best"}
    assert fast.marks == {"accuracy": "best", "drop": "best", "keras_agreement": "best", P50: "best"}


def test_times_that_cannot_be_told_apart_are_not_ranked() -> None:
    found = marks((row(1024, 89.0, 1.00), row(4096, 89.0, 1.001), row(5000, 89.0, 1.50)), (ONE,))
    assert [each.marks.get(P50, "") for each in found] == ["cannot tell", "cannot tell", ""]


def test_times_of_two_sessions_are_not_ranked() -> None:
    slow = row(1024, 89.0, 2.0)
    p50_ms = replace(slow.timings[0].p50_ms, session="yesterday")
    slow = replace(slow, timings=(replace(slow.timings[0], p50_ms=p50_ms),))
    found = marks((slow, row(4096, 89.0, 1.0)), (ONE,))
    assert [each.marks.get(P50) for each in found] == ["cannot tell", "cannot tell"]
    _, ranked = front((slow, row(4096, 89.0, 1.0)), (ONE,))
    assert [each.pareto for each in ranked] == [True, False]


def test_of_one_process_neither_bounds_nor_rank_are_known(complete: RunFolder) -> None:
    rows = []
    for p50_ms in (1.0, 2.0):
        made = row(1024, 89.0, p50_ms)
        alone = Interval(p50_ms, None, None, (p50_ms,), "today")
        rows.append(replace(made, timings=(replace(made.timings[0], p50_ms=alone),)))
    ranked = marks(tuple(rows), (ONE,))
    assert [each.marks.get(P50) for each in ranked] == ["cannot tell", "cannot tell"]
    content = replace(collect(complete), rows=ranked, settings=(ONE,))
    cells = {column.key: cell for column, cell in table(content)[0][1]}
    assert (cells[P50].text, cells[P50].bounds) == ("1.00", "")


def test_accuracies_that_cannot_be_told_apart_are_not_ranked() -> None:
    """8 images lost and none won is a difference; 10 lost and 2 won is none where three files are compared."""
    found = marks((row(1024, 89.48), row(4096, 89.56), row(5000, 89.08)), ())
    for column in ("accuracy", "drop"):
        assert [each.marks.get(column, "") for each in found] == ["", "best", ""]
    mixed = np.roll(right_of(8948), 10)  # as many right, ten of them others
    other = replace(row(1024, 89.48), right=packed(mixed))
    found = marks((other, row(4096, 89.56), row(5000, 89.08)), ())
    for column in ("accuracy", "drop"):
        assert [each.marks.get(column, "") for each in found] == ["cannot tell", "cannot tell", ""]


def test_accuracies_on_unknown_images_are_not_ranked() -> None:
    found = marks((replace(row(1024, 50.0), right=""), row(4096, 90.0)), ())
    assert [each.marks.get("accuracy", "") for each in found] == ["cannot tell", "cannot tell"]


def test_equal_answers_are_both_best() -> None:
    found = marks((row(1024, 90.0), row(4096, 90.0), row(5000, 80.0)), ())
    assert [each.marks.get("accuracy", "") for each in found] == ["best", "best", ""]


def test_a_larger_file_is_dominated_unless_it_is_known_to_be_better() -> None:
    small, large = row(1024, 89.99), row(4096, 90.0)
    assert [each.pareto for each in front((small, large), ())[1]] == [True, False]
    better = row(4096, 90.5)
    assert [each.pareto for each in front((small, better), ())[1]] == [True, True]


def test_figures_that_look_equal_are_both_best() -> None:
    found = marks((row(1024), row(1025), row(4096)), ())
    assert [each.marks.get("raw_bytes") for each in found] == ["best", "best", None]


def test_the_front_is_over_what_is_known() -> None:
    rows = (row(1024, 89.0, 2.0), row(4096, 89.9, 1.0), row(8192, 89.8, 1.5))
    axes, ranked = front(rows, (ONE,))
    assert axes == ("zstd_bytes", "accuracy", P50)
    assert [each.pareto for each in ranked] == [True, True, False]
    sizes_and_accuracies = tuple(replace(each, timings=()) for each in rows)
    assert front(sizes_and_accuracies, ())[0] == ("zstd_bytes", "accuracy")
    assert front((row(1), row(2)), ()) == ((), (row(1), row(2)))


def test_a_file_that_lacks_an_axis_is_not_on_the_front() -> None:
    _, ranked = front((row(1024, None, 1.0), row(4096, 89.9, 2.0)), (ONE,))
    assert [each.pareto for each in ranked] == [False, True]


@pytest.mark.parametrize(
    ("smallest", "text"),
    [(0.0314, "0.0314"), (0.314, "0.314"), (3.14159, "3.14"), (314.159, "314"), (31415.9, "31416")],
)
def test_times_have_the_decimals_that_the_smallest_of_a_column_needs(smallest: float, text: str, complete) -> None:
    content = replace(collect(complete), rows=(row(1024, 89.0, smallest), row(1024, 89.0, 1e6)), settings=(ONE,))
    cells = {column.key: cell for column, cell in table(content)[0][1]}
    assert cells[P50].text == text


def test_cells_say_the_figure_its_bounds_and_its_quantiles(complete: RunFolder) -> None:
    content = replace(collect(complete), rows=(row(1536, 90.0, 1.0, half_width=0.02),), settings=(ONE,))
    cells = {column.key: (cell.text, cell.bounds, cell.quantiles) for column, cell in table(content)[0][1]}
    assert cells["raw_bytes"] == ("1.5", "", "")
    assert cells["accuracy"] == ("90.00", "89.50–90.50", "")
    assert cells[P50] == ("1.00", "0.98–1.02", "0.90 / 1.10 / 1.50")
    assert cells["load_ms"] == ("2.00", "1.50–2.50", "")
    assert cells["model_memory_bytes"] == ("1.0", "", "")


def test_a_drop_has_a_sign_and_no_minus_zero(complete: RunFolder) -> None:
    rows = (row(1024, 90.0 + 1e-9), row(1024, 89.5), row(1024, 90.25))
    content = replace(collect(complete), rows=rows, settings=())
    drops = [cell.text for _, cells in table(content) for column, cell in cells if column.key == "drop"]
    assert drops == ["+0.00", "+0.50", "-0.25"]


def test_columns_without_a_figure_are_left_out(converted: RunFolder) -> None:
    content = collect(converted)
    assert [column.key for column, _ in table(content)[0][1]] == ["raw_bytes", "gzip_bytes", "zstd_bytes"]
