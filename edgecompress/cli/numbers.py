"""Numbers on the command line: finite ones, and seeds that every generator takes."""

from __future__ import annotations

import math
from typing import Any

import rich_click as click

SEED = click.IntRange(0, 2**32 - 1)  # NumPy's older generators, and scikit-learn's, take 32 bits


class Finite(click.FloatRange):
    """A number that is one: neither "nan" nor "inf", which no comparison with a bound would catch."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read it, and compare it with the bounds; a percentage where a share was expected is recognized."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            return super().convert(value, param, ctx)  # which says so
        if not math.isfinite(number):
            self.fail(f"'{value}' is no number.", param, ctx)
        if (self.min, self.max) == (0, 1) and 2 <= number < 100:
            self.fail(f"{number:g} is no share in [0, 1); did you mean {number / 100:g}?", param, ctx)
        return super().convert(value, param, ctx)
