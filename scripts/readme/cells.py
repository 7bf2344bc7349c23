"""What the cells of README's tables are made of: results on disk, goals, Markdown."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from edgecompress.numerics.student import half_width

ROOT = Path(__file__).parents[2]


def read(name: str) -> dict[str, Any]:
    """Return what a script wrote down in `models`."""
    return json.loads((ROOT / "models" / name).read_text())


def yes(reached: bool) -> str:
    """Return what the column of goals says."""
    return "yes" if reached else "**no**"


def below(values: list[float], limit: float, sign: str = "") -> list[str]:
    """The mean of seeds with its interval, and whether all of that is at most the limit."""
    mean, half = statistics.mean(values), half_width(values)
    reached = mean + half <= limit
    return [f"{mean:{sign}.2f} +- {half:.2f}", "cannot tell" if mean - half <= limit < mean + half else yes(reached)]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
