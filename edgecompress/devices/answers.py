"""Numbers and words in what devices answer, which may be anything."""

from __future__ import annotations

import math

MAX_DIGITS = 17  # so that a whole number fits 64 bits; Python refuses to read ones of thousands of digits


def whole(text: str) -> int | None:
    """Return the whole number that a text is; None if it is anything else."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS else None


def number(text: str) -> float | None:
    """Return the finite number that a text is; None if it is anything else."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if math.isfinite(found) else None  # JSON has no others


def printable_lines(text: str, *, longest: int = 300) -> list[str]:
    """Return the lines that say something, each bounded and without what could move a terminal's cursor."""
    lines = ("".join(filter(str.isprintable, line.expandtabs())).strip()[:longest] for line in text.splitlines())
    return [line for line in lines if line]
