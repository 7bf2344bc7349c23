"""Which few values and which scales of channels make a matrix of floats, if some do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecompress.packing.codings.float_product import multiply

MAX_VALUES = 256
MAX_STEPS_APART = 127
ROUNDING = 2.0**-20  # relative: some roundings of float32
FEW = 0.8  # distinct values of a channel as a share of its elements; more are no shared values
REFINEMENTS = 2


@dataclass(frozen=True)
class ChannelCodebook:
    """float32 [channels, inner] as `values[indices] * scales`, and steps between floats for each value and channel."""

    scales: np.ndarray  # float32 [channels]
    values: np.ndarray  # float32 [k], ascending
    indices: np.ndarray  # uint8 [channels, inner]
    steps: np.ndarray  # int8 [channels, k]


def find_channel_codebook(matrix: np.ndarray) -> ChannelCodebook | None:
    """Return the codebook of float32 [channels, inner], or None.

    Its first values are those of the channel that has the most; each other channel must be a multiple of some of them,
    or adds what it has beside.
    """
    if not np.isfinite(matrix).all() or matrix.shape[1] < 2:
        return None
    distinct = []
    for row in matrix:
        distinct.append(np.unique(row).astype(np.float64))
        if len(distinct[-1]) > min(MAX_VALUES, max(2, FEW * len(row))):
            return None
    known = max(distinct, key=len)
    scales = np.empty(len(matrix))
    for channel, values in enumerate(distinct):
        scale, known = _scale_of(values, known)
        if not scale or len(known) > MAX_VALUES:
            return None
        scales[channel] = scale
    return _fitted(matrix, scales, np.sort(known))


def _scale_of(values: np.ndarray, known: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the scale that makes the most of a channel's values multiples of known ones, and those with the others."""
    largest = values[np.abs(values).argmax()]
    if not largest:
        return 1.0, known if (known == 0).any() else np.append(known, 0.0)
    if not known.any():
        return 1.0, np.append(known, values[values != 0])
    scales = largest / known[known != 0]
    order = np.sort(known)
    multiples = values / scales[:, None]
    apart = np.abs(multiples - order[_nearest(order, multiples)])
    fits = apart <= ROUNDING * np.abs(multiples)
    best = int(fits.sum(1).argmax())
    return float(scales[best]), np.append(known, multiples[best][~fits[best]])


def _nearest(order: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.searchsorted((order[1:] + order[:-1]) / 2, values)


def _fitted(matrix: np.ndarray, scales: np.ndarray, values: np.ndarray) -> ChannelCodebook | None:
    wide = matrix.astype(np.float64)
    indices = _nearest(values, wide / scales[:, None])
    for _ in range(REFINEMENTS):  # alternately, what fits best in the sense of least squares
        taken = values[indices]
        squares = (taken * taken).sum(1)
        scales = np.where(squares > 0, (wide * taken).sum(1) / np.maximum(squares, np.finfo(float).tiny), scales)
        weights = np.broadcast_to(scales[:, None], wide.shape)
        sums = np.bincount(indices.ravel(), (weights * wide).ravel(), len(values))
        totals = np.bincount(indices.ravel(), (weights * weights).ravel(), len(values))
        values = np.where(totals > 0, sums / np.maximum(totals, np.finfo(float).tiny), values)
    rounded, factors = values.astype(np.float32), scales.astype(np.float32)
    negative = np.signbit(matrix) ^ np.signbit(factors)[:, None]
    for zero in np.flatnonzero(rounded == 0):
        rounded[zero] = -0.0 if negative[indices == zero].all() else 0.0
    products = multiply(rounded, factors[:, None])
    channel = np.arange(len(matrix))[:, None]
    apart = matrix.view(np.int32).astype(np.int64) - products[channel, indices].view(np.int32)
    if np.abs(apart).max() > MAX_STEPS_APART:
        return None
    steps = np.zeros(products.shape, np.int8)
    steps[channel, indices] = apart
    if not np.array_equal(steps[channel, indices], apart):  # two bit patterns of one number, as 0 and -0
        return None
    return ChannelCodebook(factors, rounded, indices.astype(np.uint8), steps)
