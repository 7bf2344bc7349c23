"""Places for the labels of a scatter plot, so that none covers another, a marker, or the edge."""

from __future__ import annotations

import numpy as np

DIRECTIONS = 16
STEP = 4.0  # between rings of candidate places
BAD, WORSE = 1e6, 1e2  # what a place costs that is not free, and each unit of area that it lacks
CROSSED = 4.0  # what a unit of area of an error bar costs; a unit of distance costs one
NOTHING = 1e-9  # an area, as far as the arithmetic is exact


def place_labels(
    points: np.ndarray,
    sizes: np.ndarray,
    *,
    bounds: tuple[float, float],
    markers: np.ndarray,
    radius: float,
    bars: np.ndarray,
) -> np.ndarray:
    """Return the centres (N x 2) of N labels of `sizes` (N x 2) for `points` (N x 2) in a plot from (0, 0) to `bounds`.

    Each label in turn takes the cheapest of places in rings around its point. The `markers` (M x 2), of that radius,
    must stay free; `bars` (K x 4: left, bottom, right, top) may be crossed at a small price.
    """
    taken = np.hstack([markers - radius, markers + radius])
    centres = np.zeros_like(points)
    for index, (point, size) in enumerate(zip(points, sizes, strict=True)):
        candidates, distances = _candidates(point, size, radius=radius, reach=float(np.hypot(*bounds)))
        boxes = np.hstack([candidates - size / 2, candidates + size / 2])
        outside = size.prod() - _overlap(boxes, np.array([[0.0, 0.0, *bounds]]))
        lacking = outside + _overlap(boxes, taken)
        cost = BAD * (lacking > NOTHING) + WORSE * lacking + CROSSED * _overlap(boxes, bars) + distances
        best = int(np.argmin(cost))
        centres[index] = candidates[best]
        taken = np.vstack([taken, boxes[best]])
    return centres


def _candidates(point: np.ndarray, size: np.ndarray, *, radius: float, reach: float) -> tuple[np.ndarray, np.ndarray]:
    radii = np.arange(radius + 2, reach, STEP)
    angles = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    offsets = unit[None] * (radii[:, None, None] + size / 2)
    return point + offsets.reshape(-1, 2), np.repeat(radii, DIRECTIONS)


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Area that each of `boxes` (N x 4) shares with all of `others` (M x 4)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=-1).sum(axis=-1)
