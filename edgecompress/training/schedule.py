"""The learning rate of each step."""

from __future__ import annotations

import math


def cosine_with_warmup(step: int, *, steps: int, warmup_steps: int, peak: float) -> float:
    """Return the learning rate of `step` in [0, steps): a linear rise to `peak`, then half a cosine to zero.

    lr(t) = peak (t + 1) / w for t < w, else peak / 2 (1 + cos(pi (t - w) / (T - w))).
    Loshchilov and Hutter, arXiv:1608.03983; the rise as in Goyal et al., arXiv:1706.02677.
    """
    if step < warmup_steps:
        return peak * ((step + 1) / warmup_steps)
    return peak / 2 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, steps - warmup_steps)))
