import math
import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Annotation

from edgecompress.report.collect import collect
from edgecompress.report.content import Interval
from edgecompress.report.plots.drawing import PAPER, SERIES, style, to_png
from edgecompress.report.plots.scatter import MARKER, Point, latency_points, scatter, size_points
from edgecompress.report.render import to_markdown
from edgecompress.runs.folder import RunFolder


def point(x: float, accuracy: float, text: str = "int8", *, variant="dense", form="tflite", pareto=False) -> Point:
    return Point(
        Interval(x, x * 0.95, x * 1.05), Interval(accuracy, accuracy - 1, accuracy + 1), variant, form, text, pareto
    )


def draw(points: list[Point], dense_accuracy: float | None = 91.0):
    with style():
        figure = scatter(points, x_label="x", dense_accuracy=dense_accuracy)
        figure.draw_without_rendering()
    return figure


def annotations(figure) -> list[Annotation]:
    return [child for child in figure.axes[0].get_children() if isinstance(child, Annotation)]


def test_points_have_the_figures_of_the_rows(complete: RunFolder) -> None:
    content = collect(complete)
    sizes, latencies = size_points(content), latency_points(content)
    assert [found.x.value for found in sizes] == [row.sizes.zstd_bytes / 1024 for row in content.rows]
    assert [found.x for found in latencies] == [row.timing(content.settings[0]).p50_ms for row in content.rows]
    assert [found.accuracy.value for found in latencies] == [row.accuracy.percent for row in content.rows]
    assert (sizes[-1].variant, sizes[-1].format, sizes[-1].label) == ("compressed", "onnx", "onnx:int8")


def test_labels_and_fillings_are_the_names_and_marks_of_the_table(complete: RunFolder) -> None:
    content = collect(complete)
    names = re.findall(r"^\| (\S+) \| (\S+:\S+) \| (artifacts/\S+) (◆ )?\|", to_markdown(content, plots={}), re.M)
    expected = [(variant, target + " ◆" * bool(mark), bool(mark)) for variant, target, _, mark in names]
    assert len(expected) == 8 and {True, False} == {front for *_, front in expected}
    for points in (size_points(content), latency_points(content)):
        assert [(found.variant, found.label, found.pareto) for found in points] == expected
        figure = draw(points)
        lines = [line for note in annotations(figure) for line in note.get_text().split("\n")]
        # Where files of two variants lie on one another, the variant stands before the name.
        assert sorted(line.split(maxsplit=line.count(" ") - line.count("◆"))[-1] for line in lines) == sorted(
            target for _, target, _ in expected
        )
        filled = [each.lines[0].get_markerfacecolor() != "none" for each in figure.axes[0].containers]
        assert filled == [front for *_, front in expected]


def test_what_is_not_known_or_has_no_place_is_no_point(complete: RunFolder, converted: RunFolder) -> None:
    content = collect(complete)
    unverified = replace(content, rows=tuple(replace(row, accuracy=None) for row in content.rows))
    assert size_points(unverified) == latency_points(unverified) == []
    assert latency_points(replace(content, settings=())) == []
    row = content.rows[0]
    for odd in (math.nan, math.inf):
        assert size_points(replace(content, rows=(replace(row, accuracy=replace(row.accuracy, high=odd)),))) == []
    never = replace(row.timings[0], p50_ms=Interval(1, 0, 2))
    assert latency_points(replace(content, rows=(replace(row, timings=(never,)),), settings=(never.setting,))) == []


def test_colour_is_the_variant_marker_the_format_and_filled_the_front() -> None:
    found = [
        point(10, 90, variant="dense", form="tflite", pareto=True),
        point(20, 91, variant="dense", form="onnx"),
        point(30, 92, variant="compressed", form="tflite"),
    ]
    lines = [container.lines[0] for container in draw(found).axes[0].containers]
    assert [to_hex(line.get_color()) for line in lines] == [SERIES[0], SERIES[0], SERIES[1]]
    assert [line.get_marker() for line in lines] == ["o", "s", "o"]
    assert [line.get_markerfacecolor() for line in lines] == [SERIES[0], "none", "none"]


def test_the_legend_names_variants_formats_the_front_and_the_baseline() -> None:
    found = [point(10, 90, variant="_odd", pareto=True), point(20, 91, variant="$x$", form="onnx")]
    (legend,) = draw(found).legends
    assert [text.get_text().strip() for text in legend.get_texts()] == [
        "_odd",
        "$x$",
        "tflite",
        "onnx",
        "filled, ◆: Pareto front",
        "dense Keras",
    ]
    (legend,) = draw([point(10, 90)], None).legends
    assert [text.get_text() for text in legend.get_texts()] == ["dense", "tflite"]


@pytest.mark.parametrize("spread", [0.3, 3.0, 300.0])
def test_labels_neither_overlap_nor_leave_the_plot(spread: float) -> None:
    generator = np.random.default_rng(0)
    found = [point(10 + spread * x, 90 + y, f"precision{i}") for i, (x, y) in enumerate(generator.random((10, 2)))]
    figure = draw(found)
    area = figure.axes[0].get_window_extent()
    boxes = [super(Annotation, note).get_window_extent() for note in annotations(figure)]
    lines = [line for note in annotations(figure) for line in note.get_text().split("\n")]
    assert sorted(lines) == sorted(each.label for each in found) and len(boxes) >= 8
    for index, box in enumerate(boxes):
        # A tenth of a pixel for the arithmetic.
        assert box.x0 > area.x0 - 0.1 and box.x1 < area.x1 + 0.1
        assert not any(box.padded(-0.1).overlaps(other) for other in boxes[:index])


def test_a_lone_point_without_a_width_is_in_the_middle_its_label_beside_it() -> None:
    figure = draw([replace(point(192, 90), x=Interval(192, 192, 192))], 85.0)
    low, high = figure.axes[0].get_xlim()
    assert math.isclose(math.sqrt(low * high), 192)
    (note,) = annotations(figure)
    assert math.hypot(*note.xyann) < 30


def test_points_on_one_another_share_a_place_a_line_each() -> None:
    apart, together = [point(10, 90), point(30, 91)], [point(10, 90), point(10.001, 90, form="onnx")]
    different = [point(10, 90), point(10.001, 90, "float32")]
    mixed = [point(10, 90), point(10.001, 90, variant="compressed")]
    texts = [[note.get_text() for note in annotations(draw(found))] for found in (apart, together, different, mixed)]
    assert texts == [["int8", "int8"], ["int8"], ["int8\nfloat32"], ["dense int8\ncompressed int8"]]


def test_neither_of_two_filled_markers_on_one_another_is_hidden() -> None:
    """The circle lies on the square, with an edge in the colour of the paper."""
    containers = draw([point(10, 90, pareto=True), point(10, 90, form="onnx", pareto=True)]).axes[0].containers
    circle, square = (container.lines[0] for container in containers)
    assert circle.get_zorder() > square.get_zorder()
    assert circle.get_markeredgecolor() == square.get_markeredgecolor() == PAPER


def test_a_label_far_from_its_point_has_a_line_to_it() -> None:
    crowd = [point(10, 90, f"label number {index}") for index in range(12)]
    notes = annotations(draw([*crowd, point(50, 91)]))
    visible = [note.arrow_patch.get_visible() for note in notes]
    offsets = [math.hypot(*note.xyann) for note in notes]
    assert any(visible) and not visible[-1]
    assert all(flag == (offset > 30) for flag, offset in zip(visible, offsets, strict=True))
    assert min(offsets) > MARKER


@pytest.mark.parametrize("found", [[(7, 90)], [(7, 90), (7, 90)], [(101, 99), (103, 99)], [(20, 10), (20000, 99)]])
def test_every_range_has_at_least_two_readable_ticks(found: list[tuple[float, float]]) -> None:
    figure = draw([point(*each) for each in found])
    axes = figure.axes[0]
    low, high = axes.get_xlim()
    shown = [
        text.get_text() for at, text in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True) if low < at < high
    ]
    assert 2 <= len(shown) <= 12
    assert all(float(text) > 0 for text in shown)
    to_png(figure)
