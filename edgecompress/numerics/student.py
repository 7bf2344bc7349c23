"""Student's interval of a mean, from a few values that are independent and about normal."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def half_width(values: Sequence[float] | np.ndarray, *, quantile: float = 0.975) -> float:
    """Return half the width of the interval of their mean: `t_(n-1, quantile) s / sqrt(n)`; infinite for one value.

    At 0.975 it covers the mean in 95 % of cases. Student, The probable error of a mean, 1908.
    """
    if len(values) < 2:
        return math.inf
    from scipy.special import stdtrit  # 0.1 s, for this alone

    return float(stdtrit(len(values) - 1, quantile)) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
