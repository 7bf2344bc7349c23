"""How right a model is, and on which samples, so that any two models can be compared on the same ones."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass

import numpy as np

from edgecompress.numerics.paired import Z
from edgecompress.numerics.student import half_width

_SHARES = "f4:"


@dataclass(frozen=True)
class Accuracy:
    """How right a model is on the test split, in percent, with a 95 % interval."""

    percent: float
    low: float
    high: float
    samples: int


def accuracy_of(right: np.ndarray) -> Accuracy:
    """Return how many of the flags (N,) are set, with Wilson's interval; or the mean of shares (N,), with Student's."""
    count, share = len(right), float(right.mean())
    if right.dtype != bool:
        half = half_width(right)
        return Accuracy(100 * share, 100 * (share - half), 100 * (share + half), count)
    centre = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z / (1 + Z**2 / count) * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    return Accuracy(100 * share, 100 * (centre - half), 100 * (centre + half), count)


def packed(right: np.ndarray) -> str:
    """Return as text how right samples are: flags (N,) as bits, the first of a byte its highest; shares as float32.

    Both are in base64; shares have "f4:" in front.
    """
    if right.dtype != bool:
        return _SHARES + base64.b64encode(right.astype("<f4").tobytes()).decode()
    return base64.b64encode(np.packbits(right).tobytes()).decode()


def unpacked(text: str, count: int) -> np.ndarray | None:
    """Return the `count` flags or shares that `packed` has packed; None where the text is not of so many."""
    shares = text.startswith(_SHARES)
    try:
        data = base64.b64decode(text.removeprefix(_SHARES), validate=True)
    except (binascii.Error, ValueError):
        return None
    if count < 1 or len(data) != (4 * count if shares else -(-count // 8)):
        return None
    if shares:
        return np.frombuffer(data, "<f4").astype(np.float64)
    return np.unpackbits(np.frombuffer(data, np.uint8), count=count).astype(bool)
