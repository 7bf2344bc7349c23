"""How plots look, and how they become bytes that depend on nothing but the figures."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INK, MUTED, GRID, PAPER = "#1f2328", "#59636e", "#d8dee4", "#fffffe"
SERIES = ("#0b62d6", "#c2410c", "#0f7b5f", "#8a3ffc", "#7a6200")  # dark enough on white, told apart by the colour-blind
MARKERS = ("o", "s", "^", "D")
VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--grid", PAPER: "--paper"} | {
    colour: f"--series-{number}" for number, colour in enumerate(SERIES)
}
LABEL_LENGTH = 30
PNG_DPI = 220

STYLE: dict[Any, Any] = {
    "figure.figsize": (4.4, 3.5),  # so narrow that its text is legible on a phone
    "figure.dpi": 72,  # a pixel is a point, which the places of labels are computed in
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold dollar signs
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.2,
    "svg.fonttype": "none",
    "svg.hashsalt": "edgecompress",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in this style alone, whatever the user's matplotlibrc says."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # such as a name in a script that the font lacks
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def label(text: str) -> str:
    """Return a name so that it can be drawn: what is not printable replaced, and not too long."""
    shown = "".join(char if char.isprintable() else "\ufffd" for char in text)
    shown = shown if len(shown) <= LABEL_LENGTH else shown[: LABEL_LENGTH - 1] + "…"
    return f" {shown}" if shown.startswith("_") else shown  # a legend leaves out names that start with a line


def to_png(figure: Any) -> bytes:
    """Return a figure as PNG, without a date or a version in it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return file.getvalue()


def to_svg(figure: Any, *, name: str) -> str:
    """Return a figure as an `<svg>` element for a page, its colours as the page's variables.

    Ids get `name` in front, because several such elements share the page.
    """
    file = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nothing)
    svg = file.getvalue()
    return re.sub(r"<[^<>]+>", lambda tag: _adapt(tag[0], name), svg[svg.index("<svg") :])


def _adapt(tag: str, name: str) -> str:
    if tag.startswith("<svg"):
        tag = re.sub(r' (width|height)="[^"]*"', "", tag)  # the page says how large
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag)
    return re.sub("#[0-9a-f]{6}", lambda colour: _variable(colour[0]), tag)


def _variable(colour: str) -> str:
    return f"var({VARIABLES[colour]})" if colour in VARIABLES else colour
