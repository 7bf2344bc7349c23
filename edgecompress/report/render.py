"""Content to pages. Names in files are hostile: every expression of a template is escaped for the page it goes to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecompress.report.columns import table
from edgecompress.report.content import Conditions, Content, Epoch, SlowOperators
from edgecompress.report.ranking import CANNOT_TELL
from edgecompress.values import LayerNote, OperatorTime

AXES = {"zstd_bytes": "size after zstd", "accuracy": "accuracy"}
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
    """Return text with every control and direction character replaced, but line ends and tabs."""
    if type(value) is not str or value.isprintable():
        return value
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in value)


def markdown_text(value: Any) -> Any:
    """Return text on one line in which no character has a meaning to Markdown, in a table or out of it."""
    if type(value) is not str:
        return value
    line = re.sub(r"\s+", " ", visible(value))
    return re.sub(rf"[\\`*\[\]<>|~&$!#]|{_UNDERSCORE}", lambda char: f"\\{char[0]}", line)


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
    environment.filters |= {"flat": flat, "figures": figures, "microseconds": microseconds, "share": share}
    return environment.get_template(template).render(
        report=content,
        table=table(content),
        legend=legend(content),
        plots=plots,
        versions=", ".join(f"{name} {version}" for name, version in content.versions.items()),
        actions=", ".join(f"{count} {action}" for action, count in actions(content)),
        exceptions=grouped(content.layers),
        stages=stages(content.history),
        recipe_block=fenced(content.recipe),
    )


def legend(content: Content) -> list[str]:
    """Return what the marks and columns of the main table mean, as far as it has them."""
    found = ["The best of a column is bold; 1 KiB is 1024 bytes."]
    if any(CANNOT_TELL in row.marks.values() for row in content.rows):
        found.append("≈ cannot tell: the interval overlaps with that of the best, so that neither is called better.")
    if content.pareto_axes:
        axes = ", ".join(AXES.get(key) or f"p50 ({content.settings[0]})" for key in content.pareto_axes)
        found.append(
            f"◆ is on the Pareto front of {axes}: no other file is better in one and as good in the rest, "
            "where medians whose intervals overlap count as equal."
        )
    if content.verification:
        found.append(
            f"Accuracy on {content.verification.data}, with Wilson's 95 % interval; drop in percentage points below "
            "the dense Keras model; as Keras: images with the argmax of the Keras model that the file was made from."
        )
    if content.settings:
        found.append(
            "p50 with its 95 % interval by bootstrap over processes; load and first inference with the fastest and the "
            "slowest process; memory is what load and first inference add."
        )
    return found


def actions(content: Content) -> list[tuple[str, int]]:
    """Return what was done to layers, and how often, the most frequent first."""
    return Counter(note.action for note in content.layers).most_common()


def fenced(text: str) -> Any:
    """Return a block of code for Markdown that nothing in the text can end."""
    from markupsafe import Markup

    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return Markup(f"{fence}toml\n{visible(text).strip()}\n{fence}")


def figures(found: Mapping[str, float]) -> str:
    """Return a note's figures on one line."""
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in found.items())


def microseconds(operator: OperatorTime) -> str:
    """Return an operator's time in microseconds."""
    return f"{operator.mean_ns / 1000:.1f}"


def share(operator: OperatorTime, file: SlowOperators) -> str:
    """Return an operator's share of the time in all operators of its file, in percent."""
    return f"{100 * operator.mean_ns / file.total_ns if file.total_ns else 0:.1f}"


def grouped(notes: tuple[LayerNote, ...]) -> list[tuple[str, str, list[str]]]:
    """Return what was skipped or kept, by action and reason, with the layers that it holds for."""
    found: dict[tuple[str, str], list[str]] = {}
    for note in notes:
        if note.reason:
            found.setdefault((note.action, note.reason), []).append(note.layer)
    return [(action, reason, layers) for (action, reason), layers in found.items()]


def stages(history: tuple[Epoch, ...]) -> list[tuple[str, int, Epoch, float]]:
    """Return each stage's name, number of epochs, last epoch, and best held-out accuracy in percent."""
    found: dict[str, list[Epoch]] = {}
    for epoch in history:
        found.setdefault(epoch.stage, []).append(epoch)
    return [
        (stage, len(epochs), epochs[-1], 100 * max(epoch.held_out_accuracy for epoch in epochs))
        for stage, epochs in found.items()
    ]


def flat(conditions: Conditions) -> list[tuple[str, str, str]]:
    """Return each condition's name, and what it was before and after."""
    before, after = _leaves(conditions.before), _leaves(conditions.after)
    return [(name, before.get(name, ""), after.get(name, "")) for name in before | after]


def _leaves(value: Any, name: str = "") -> dict[str, str]:
    if isinstance(value, dict):
        found: dict[str, str] = {}
        for key, inner in value.items():
            found |= _leaves(inner, f"{name} {key}".replace("_", " ").strip())
        return found
    return {name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)}
