from matplotlib.colors import to_hex

from edgecompress.report.content import Epoch
from edgecompress.report.plots.drawing import SERIES, style, to_svg
from edgecompress.report.plots.training_curves import training_curves


def epochs(stage: str, count: int) -> list[Epoch]:
    return [Epoch(stage, index + 1, 1 / (index + 1), 0.5, 0.5 + index / 100, 1e-3) for index in range(count)]


def draw(history: list[Epoch]):
    with style():
        return training_curves(history)


def test_stages_follow_one_another_each_in_its_colour() -> None:
    loss, accuracy = draw([*epochs("dense", 3), *epochs("1-pruning", 2)]).axes
    assert [list(line.get_xdata()) for line in loss.lines] == [[1, 2, 3], [4, 5]]
    assert [list(line.get_ydata()) for line in loss.lines] == [[1, 1 / 2, 1 / 3], [1, 1 / 2]]
    assert [list(line.get_ydata()) for line in accuracy.lines] == [[50, 51, 52], [50, 51]]
    assert [to_hex(line.get_color()) for line in accuracy.lines] == list(SERIES[:2])


def test_the_legend_names_the_stages() -> None:
    (legend,) = draw([*epochs("dense", 1), *epochs("_$odd$", 1)]).legends
    assert [text.get_text().strip() for text in legend.get_texts()] == ["dense", "_$odd$"]


def test_a_single_epoch_is_seen() -> None:
    figure = draw(epochs("dense", 1))
    assert figure.axes[0].lines[0].get_marker() == "o"
    with style():
        assert "<use" in to_svg(figure, name="training")  # the marker
