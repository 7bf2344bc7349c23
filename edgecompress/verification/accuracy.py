"""How often a model is right, and on which images, so that any two models can be compared on the same ones."""

from __future__ import annotations

import base64
import binascii
import math
from dataclasses import dataclass

import numpy as np

from edgecompress.numerics.paired import Z


@dataclass(frozen=True)
class Accuracy:
    """How often a model is right on the test split, with Wilson's 95 % interval, in percent."""

    percent: float
    low: float
    high: float
    samples: int


def right_flags(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return for which images (N,) the argmax of `scores` (N x classes) is the label; what is not finite is wrong."""
    return (scores.argmax(-1) == labels) & np.isfinite(scores).all(-1)


def accuracy(scores: np.ndarray, labels: np.ndarray) -> Accuracy:
    """Return how often the argmax of `scores` (N x classes) is the label, with Wilson's interval."""
    return accuracy_of(right_flags(scores, labels))


def accuracy_of(right: np.ndarray) -> Accuracy:
    """Return how many of the flags (N,) are set, with Wilson's interval."""
    count, share = len(right), float(right.mean())
    centre = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    half = Z / (1 + Z**2 / count) * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    return Accuracy(100 * share, 100 * (centre - half), 100 * (centre + half), count)


def packed_flags(flags: np.ndarray) -> str:
    """Return flags (N,) as text: a bit an image, the first of a byte its highest, in base64."""
    return base64.b64encode(np.packbits(flags).tobytes()).decode()


def flags_of(text: str, count: int) -> np.ndarray | None:
    """Return the `count` flags that `packed_flags` has packed; None where the text is not of so many."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if count < 1 or len(data) != -(-count // 8):
        return None
    return np.unpackbits(np.frombuffer(data, np.uint8), count=count).astype(bool)
