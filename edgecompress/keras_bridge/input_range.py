"""What pixels 0..255 are mapped to before a model sees them, as far as the model itself says so."""

from __future__ import annotations

import numpy as np

from edgecompress.keras_types import Model

CANDIDATES = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0))
# What networks are trained on: at most two wide around zero, and at least one wide.
_LARGEST, _LEAST_WIDTH = 1.01, 0.99
_STANDARDIZED = 3.0  # what a normalization by mean and variance leaves of most images


def own_input_range(model: Model) -> tuple[float, float] | None:
    """Return the range for which the model's first layer gives what networks compute with; None if it does not tell.

    A model that begins with Rescaling, or Normalization of fixed mean and variance, takes the one of 0..255, 0..1 and
    -1..1 that this layer maps to within -1..1, at least 1 wide; a normalized image to within -3..3.
    """
    first = model.first_layer()
    kind = type(first).__name__
    if kind == "Rescaling":
        return _fitting(np.asarray(first.scale), np.asarray(first.offset), largest=_LARGEST)
    if kind == "Normalization" and not first.invert:
        deviation = np.maximum(np.sqrt(np.asarray(first.variance)), 1e-7)
        return _fitting(1 / deviation, -np.asarray(first.mean) / deviation, largest=_STANDARDIZED)
    return None


def _fitting(scale: np.ndarray, offset: np.ndarray, *, largest: float) -> tuple[float, float] | None:
    found = []
    for low, high in CANDIDATES:
        ends = np.stack([low * scale + offset, high * scale + offset])
        if np.abs(ends).max() <= largest and np.ptp(ends, axis=0).min() >= _LEAST_WIDTH:
            found.append((low, high))
    return found[0] if len(found) == 1 else None
