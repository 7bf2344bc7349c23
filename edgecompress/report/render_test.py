import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from edgecompress.report.collect import collect
from edgecompress.report.content import Content, Notice, Setting
from edgecompress.report.plots.drawing import style, to_svg
from edgecompress.report.plots.scatter import scatter, size_points
from edgecompress.report.plots.training_curves import training_curves
from edgecompress.report.render import fenced, markdown_text, to_html, to_markdown, visible
from edgecompress.runs.folder import RunFolder
from edgecompress.values import LayerNote, OperatorTime

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> {{ 7 * 7 }} {% raw %} | a \\| **b** [c](http://d) ![e](f) "
    "`g` ``` $h$ &lt; &#60; _i_ __j__ ~~k~~ * l # \"m' \x1b[31m\u202en\n\n# o\n- p\n\n    q\n</style></table>--> \\"
)
IMAGES = {"tradeoff": "tradeoff.png", "latency": "latency.png"}


class Page(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def renamed(content: Content, name: str) -> Content:
    """Return the content with every text in it that comes from a file made into `name`."""
    operator = OperatorTime(name, name, 1000.0, 1.0)
    setting = Setting(name, 1)
    note = LayerNote(name, name, name, {name: 1.0})
    row = content.rows[0]
    timing = replace(row.timings[0], setting=setting, runtime=name)
    row = replace(row, artifact=name, variant=name, target=name, timings=(timing,), marks={}, pareto=True)
    checks = content.verification
    return replace(
        content,
        title=name,
        words={name: name},
        recipe=name,
        machine=name,
        versions={name: name},
        notices=(Notice(name, "edgecompress verify runs/m1"),),
        settings=(setting,),
        rows=(row,),
        verification=replace(
            checks,
            data=name,
            keras={"dense": checks.keras["dense"], name: checks.keras["dense"]},
            parity=(replace(checks.parity[0], variant=name, precision=name, kernels=name),),
            kernels=(replace(checks.kernels[0], artifact=name, kernels=name),),
        ),
        layers=(note,),
        float_operators=(replace(content.float_operators[0], artifact=name, operators=(note,)),),
        operators=(
            replace(content.operators[0], artifact=name, note=name, setting=setting, slowest=(operator,)),
            replace(content.operators[0], artifact=name, note=name, setting=setting, slowest=()),
        ),
        sustained=(replace(content.sustained[0], artifact=name, device=name),),
        history=tuple(replace(epoch, stage=name) for epoch in content.history),
        conditions=(replace(content.conditions[0], setting=setting, before={name: name}, after={name: [name]}),),
    )


def drawn(content: Content) -> dict[str, str]:
    with style():
        return {
            "tradeoff": to_svg(scatter(size_points(content), x_label="x", dense_accuracy=90), name="tradeoff"),
            "training": to_svg(training_curves(content.history), name="training"),
        }


def tokens(markdown: str) -> list[Token]:
    """Return the tokens of a page, those within lines included."""
    found: list[Token] = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown):
        found += [token, *(token.children or ())]
    return found


def count_of(text: str, part: str) -> int:
    """Count without regard to space, and to underscores, which the names of figures and conditions lose."""
    return re.sub(r"[\s_]", "", text).count(re.sub(r"[\s_]", "", visible(part)))


@pytest.fixture
def content(complete: RunFolder) -> Content:
    return collect(complete)


def test_hostile_names_change_no_tag_of_the_page(content: Content) -> None:
    page, expected = (Page(to_html(renamed(content, name), plots={})) for name in (HOSTILE, "harmless"))
    assert page.tags == expected.tags
    assert [name for name, _ in page.attributes] == [name for name, _ in expected.attributes]
    assert count_of(page.text, HOSTILE) == count_of(expected.text, "harmless") > 40


def test_hostile_names_bring_no_tag_into_the_plots(content: Content) -> None:
    hostile = renamed(content, HOSTILE)
    page, without_plots = (Page(to_html(hostile, plots=plots)) for plots in (drawn(hostile), {}))
    assert set(page.tags) - set(without_plots.tags) == {
        "svg",
        "g",
        "path",
        "defs",
        "use",
        "text",
        "clippath",
        "rect",
        "figure",
        "figcaption",
    }


def test_hostile_names_change_no_mark_of_the_markdown(content: Content) -> None:
    page, expected = (tokens(to_markdown(renamed(content, name), plots=IMAGES)) for name in (HOSTILE, "harmless"))
    assert [token.type for token in page] == [token.type for token in expected]
    assert not {"html_inline", "html_block", "link_open"} & {token.type for token in page}
    texts = ["".join(token.content for token in found if token.type == "text") for found in (page, expected)]
    assert count_of(texts[0], HOSTILE) == count_of(texts[1], "harmless") > 30


def test_the_page_needs_nothing_from_elsewhere(content: Content) -> None:
    html = to_html(content, plots=drawn(content))
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert not any(name.startswith("on") for name, _ in page.attributes)
    linked = [value for name, value in page.attributes if name in ("src", "href", "xlink:href", "action", "data")]
    assert linked and all(value.startswith("#") for value in linked)
    assert "@import" not in html and "url(http" not in html
    assert dict(page.attributes)["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_ids_are_unique(content: Content) -> None:
    ids = [value for name, value in Page(to_html(content, plots=drawn(content))).attributes if name == "id"]
    assert ids and len(ids) == len(set(ids))


@pytest.mark.parametrize("render", [to_html, to_markdown])
def test_pages_have_every_part_of_a_complete_run(render: Callable[..., str], content: Content) -> None:
    page = render(content, plots={})
    parts = ("Files", "Accuracy of the Keras models", "TFLite against ONNX", "Layers", "Float operators of int8 files")
    for part in (
        *parts,
        "Slowest operators",
        "Without a pause",
        "Instructions",
        "Training",
        "Conditions on local, 2 threads",
        "Recipe",
    ):
        assert part in page
    for text in ("cannot tell", "◆", "90.21", "89.61–90.79", "11.500", "TF-MOT does not prune DepthwiseConv2D"):
        assert text in page
    for text in (
        "Softmax",
        "ondemand",
        "1,234,567",
        "emulated:cortex-a76",
        "tensorflow-model-optimization",
        "conv_pw_13",
        "50.8",
        "87.75",
    ):
        assert text in page


@pytest.mark.parametrize("render", [to_html, to_markdown])
def test_pages_of_files_alone_have_no_empty_parts(render: Callable[..., str], converted: RunFolder) -> None:
    page = render(collect(converted), plots={}).split("</style>")[-1]
    for text in ("not verified", "not measured yet", f"edgecompress profile {converted.path}", "192.0"):
        assert text in page
    for part in (
        "accuracy",
        "p50",
        "Layers",
        "Instructions",
        "Training",
        "Conditions",
        "Recipe",
        "Trade-off",
        "Slowest",
        "Pareto",
    ):
        assert part not in page
    assert "Float operators of int8 files" in page and "None: between the conversions" in page


@pytest.mark.parametrize("render", [to_html, to_markdown])
def test_pages_of_an_unverified_run_say_what_to_run(render: Callable[..., str], complete: RunFolder) -> None:
    (complete.path / "verification.json").unlink()
    page = render(collect(complete), plots={})
    assert "not verified yet" in page and f"edgecompress verify {complete.path}" in page


def test_a_run_s_path_is_quoted_in_commands_and_can_end_no_code(complete: RunFolder) -> None:
    (complete.path / "verification.json").unlink()
    odd = RunFolder(complete.path.rename(complete.path.with_name("my `run` $HOME")))
    page = to_markdown(collect(odd), plots={})
    assert f"Run `` edgecompress verify '{odd.path}' ``." in page


def test_every_row_of_the_markdown_tables_has_as_many_cells_as_the_head(content: Content) -> None:
    widths: list[set[int]] = []
    for token in tokens(to_markdown(content, plots=IMAGES)):
        if token.type == "table_open":
            widths.append(set())
        elif token.type == "tr_open":
            cells = 0
        elif token.type in ("th_open", "td_open"):
            cells += 1
        elif token.type == "tr_close":
            widths[-1].add(cells)
    assert len(widths) == 12 and all(len(each) == 1 for each in widths)
    assert [token.type for token in tokens(to_markdown(content, plots=IMAGES))].count("image") == 2


def test_markdown_keeps_underscores_within_words() -> None:
    assert markdown_text("mobilenet_v1 _x_") == "mobilenet_v1 \\_x\\_"


@pytest.mark.parametrize("text", ["a = 1", "a = '```'\n```\n# b", "````\n`````", "</pre><script>", ""])
def test_nothing_in_a_recipe_ends_its_block(text: str) -> None:
    (fence,) = tokens(str(fenced(text)))
    assert (fence.type, fence.info, fence.content.strip()) == ("fence", "toml", text.strip())
