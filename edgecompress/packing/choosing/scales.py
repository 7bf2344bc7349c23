"""Which scale a channel of floats has, if they are small integers times one."""

from __future__ import annotations

import numpy as np

from edgecompress.packing.codings.float_product import multiply

MAX_INTEGER = 127
MAX_STEPS_APART = 127
ROUNDING = 2.0**-20  # relative: some roundings of float32, as folding a batch norm leaves them
CHANNELS_FIRST_TRIED = 4
NEIGHBOURS = (-2, -1, 0, 1, 2)  # float32 numbers around the best quotient that are tried as the scale


def find_scales(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return scales float32 [channels], integers int8 and steps int8 [channels, inner] of float32 [channels, inner].

    `matrix = integers * scales`, rounded to float32, up to the steps between neighbouring numbers; None if there are
    none in some channel. In each channel the integers are as small as they can be.
    """
    if not np.isfinite(matrix).all():
        return None
    for row in matrix[:CHANNELS_FIRST_TRIED]:  # random floats fail here
        if _largest_integer(row) is None:
            return None
    scales = np.empty(len(matrix), np.float32)
    integers, steps = np.empty(matrix.shape, np.int8), np.empty(matrix.shape, np.int8)
    for channel, row in enumerate(matrix):
        largest = _largest_integer(row)
        fit = None if largest is None else _fit(row, largest)
        if fit is None:
            return None
        scales[channel], integers[channel], steps[channel] = fit
    return scales, integers, steps


def _largest_integer(row: np.ndarray) -> int | None:
    """Return what the largest magnitude is a multiple by, such that all values are whole multiples; 0 for zeros."""
    magnitudes = np.unique(np.abs(row)).astype(np.float64)
    if not magnitudes[-1]:
        return 0
    fitting = np.arange(1, MAX_INTEGER + 1)
    for some in (magnitudes[:MAX_INTEGER], magnitudes):  # of random floats none fit the first
        fitting = fitting[[_apart(some / magnitudes[-1] * each) <= each * ROUNDING for each in fitting]]
    return int(fitting[0]) if len(fitting) else None


def _apart(multiples: np.ndarray) -> float:
    return float(np.abs(multiples - np.rint(multiples)).max())


def _fit(row: np.ndarray, largest: int) -> tuple[np.float32, np.ndarray, np.ndarray] | None:
    wide = row.astype(np.float64)
    top = np.abs(wide).max()
    integers = (np.rint(wide / top * largest) if largest else np.zeros(len(row))).astype(np.int8)
    middle = np.float32((wide * integers).sum() / np.square(integers, dtype=float).sum()) if largest else np.float32(0)
    best = None
    for away in NEIGHBOURS if largest else (0,):
        scale = (middle.view(np.int32) + np.int32(away)).view(np.float32)
        products = multiply(integers.astype(np.float32), scale)
        apart = row.view(np.int32).astype(np.int64) - products.view(np.int32)
        if np.abs(apart).max() <= MAX_STEPS_APART and (best is None or np.abs(apart).sum() < np.abs(best[2]).sum()):
            best = scale, integers, apart.astype(np.int8)
    return best
