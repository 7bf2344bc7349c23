import io
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.figure import Figure
from PIL import Image

from edgecompress.report.plots.drawing import INK, LABEL_LENGTH, SERIES, label, style, to_png, to_svg

HOSTILE = "<script>alert(1)</script> & $\\frac{ $ \"'"


def figure(text: str = "text") -> Figure:
    drawn = Figure()
    axes = drawn.subplots()
    axes.plot([1, 2], [1, 2], color=SERIES[1], marker="o", label=text)
    axes.text(1, 1, text)
    drawn.legend()
    return drawn


def texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("}text")]


@pytest.mark.parametrize("render", [to_png, lambda drawn: to_svg(drawn, name="plot")])
def test_the_same_figure_gives_the_same_bytes_whatever_the_users_settings(render) -> None:
    with style():
        expected = render(figure())
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": None, "axes.grid": False, "savefig.dpi": 30}):
        with style():
            assert render(figure()) == expected
        assert matplotlib.rcParams["font.size"] == 30


def test_png_holds_pixels_and_no_text() -> None:
    with style():
        image = Image.open(io.BytesIO(to_png(figure())))
    assert image.size == (968, 770)  # 4.4 x 3.5 inches of 220 pixels
    assert set(image.info) == {"dpi"}


def test_svg_has_no_date_no_metadata_no_size_and_the_colours_of_the_page() -> None:
    with style():
        svg = to_svg(figure(), name="plot")
    assert svg.startswith("<svg ") and "<metadata" not in svg and "width=" not in svg.split(">")[0]
    assert "var(--series-1)" in svg and "var(--ink)" in svg
    assert SERIES[1] not in svg and INK not in svg


def test_ids_of_two_plots_differ_and_references_follow() -> None:
    with style():
        first, second = (ElementTree.fromstring(to_svg(figure(), name=name)) for name in ("first", "second"))
    ids = [{node.get("id") for node in tree.iter() if node.get("id")} for tree in (first, second)]
    assert ids[0] and not ids[0] & ids[1]
    links = {value[1:] for node in first.iter() for key, value in node.items() if key.endswith("href")}
    clips = {node.get("clip-path")[5:-1] for node in first.iter() if node.get("clip-path")}
    assert links and clips and links | clips <= ids[0]


def test_hostile_text_is_text() -> None:
    with style():
        svg = to_svg(figure(label(HOSTILE)), name="plot")
    assert "<script" not in svg
    assert texts(svg).count(label(HOSTILE)) == 2


def test_text_that_looks_like_an_id_or_a_colour_stays() -> None:
    with style():
        svg = to_svg(figure(f'id="a" {INK}'), name="plot")
    assert texts(svg).count(f'id="a" {INK}') == 2


def test_labels_are_printable_and_short() -> None:
    assert label("compressed") == "compressed"
    assert label("a\0b\x1b[31m\u202e\ud800") == "a\ufffdb\ufffd[31m\ufffd\ufffd"
    assert label("x" * 999) == "x" * (LABEL_LENGTH - 1) + "…"


def test_a_label_that_starts_with_an_underscore_is_in_the_legend() -> None:
    with style():
        svg = to_svg(figure(label("_private")), name="plot")
    assert [text.strip() for text in texts(svg)].count("_private") == 2


def test_a_script_that_the_font_lacks_is_drawn_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    with style():
        to_png(figure("模型"))
    assert not recwarn
