"""Content to pages. Names in files are hostile: every expression of a template is escaped for the page it goes to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecompress.report.columns import table
from edgecompress.report.content import Content
from edgecompress.report.summaries import (
    before_and_after,
    conditions_lines,
    grouped,
    kept_float,
    legend,
    microseconds,
    share,
    stages,
    sustained_rows,
)

_UNDERSCORE = r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # one inside of a word is no emphasis


def to_html(content: Content, *, plots: Mapping[str, str]) -> str:
    """Return the page; `plots` are `<svg>` elements by name: tradeoff, latency, training."""
    from markupsafe import Markup

    drawn = {name: Markup(svg) for name, svg in plots.items()}
    return _render("report.html.jinja", content, autoescape=True, finalize=visible, plots=drawn)


def to_markdown(content: Content, *, plots: Mapping[str, str]) -> str:
    """Return the page; `plots` are names of image files beside it: tradeoff, latency."""
    return _render("report.md.jinja", content, autoescape=False, finalize=markdown_text, plots=plots)


def visible(value: Any) -> Any:
    """Return a value as text, its control and direction characters replaced, all but line ends and tabs."""
    if hasattr(value, "__html__"):  # made here, and safe
        return value
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in str(value))


def markdown_text(value: Any) -> Any:
    """Return a value as text on one line in which no character has a meaning to Markdown, in a table or out of it."""
    if hasattr(value, "__html__"):
        return value
    line = re.sub(r"\s+", " ", visible(value))
    return re.sub(rf"[\\`*\[\]<>|~&$!#]|{_UNDERSCORE}", lambda char: f"\\{char[0]}", line)


def fenced(text: str) -> Any:
    """Return a block of code for Markdown that nothing in the text can end."""
    from markupsafe import Markup

    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return Markup(f"{fence}toml\n{visible(text).strip()}\n{fence}")


def code_span(text: str) -> Any:
    """Return a command as code within a line of Markdown, that nothing in the text can end."""
    from markupsafe import Markup

    line = re.sub(r"\s", " ", visible(text))
    ticks = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    padding = " " if "`" in line else ""
    return Markup(f"{ticks}{padding}{line}{padding}{ticks}")


def _render(template: str, content: Content, *, autoescape: bool, finalize: Any, plots: Mapping[str, str]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=autoescape,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "before_and_after": before_and_after,
        "code_span": code_span,
        "conditions_lines": conditions_lines,
        "microseconds": microseconds,
        "share": share,
    }
    return environment.get_template(template).render(
        report=content,
        table=table(content),
        legend=legend(content),
        plots=plots,
        versions=", ".join(f"{name} {version}" for name, version in content.versions.items()),
        layers=grouped(content.layers),
        kept_float=kept_float(content),
        stages=stages(content.history),
        sustained=sustained_rows(content),
        recipe_block=fenced(content.recipe),
    )
