"""How much of a signal is noise."""

from __future__ import annotations

import math

import numpy as np

EQUAL_DB = 200.0  # what is said of equal arrays; float32 itself rounds at about 150 dB


def signal_to_noise_db(expected: np.ndarray, noise_power: float) -> float:
    """Return `10 log10(var(expected) / noise_power)` in decibels, between -EQUAL_DB and EQUAL_DB.

    Args:
        expected: the signal; its variance over all elements is its power, so that a constant carries none.
        noise_power: mean of the squared differences from it.
    """
    power = float(np.var(expected, dtype=np.float64)) if expected.size else 0.0
    if noise_power == 0:
        return EQUAL_DB
    if power == 0 or not math.isfinite(noise_power):
        return -EQUAL_DB
    return max(-EQUAL_DB, min(EQUAL_DB, 10 * math.log10(power / noise_power)))
