"""LiteRT's HARD_SWISH of codes, and the scale with which ONNX Runtime's comes to the same.

x * min(max(x + 3, 0), 6) / 6 in 16-bit fixed point is up to a thousandth of a code off, so that of 256 codes one in
four times is rounded another way than the true number would be. ONNX Runtime computes in float32 from a scale; among
scales next to the file's there mostly is one with which every code agrees.
"""

from __future__ import annotations

import math

import numpy as np

from edgecompress.convert.onnx.litert.sum import Codes

_HIRES_BITS = 7  # codes are shifted up by that much, to fill 16 bits
_UNIT = 3 / 2**15  # of the factor x + 3, so that 3 is full scale
_STEPS = np.arange(-64, 65)
_STEP = 2.0**-17  # relative; all of them move a code by less than a fifth of its neighbour's distance


def hard_swish_table(source: Codes, output: Codes) -> np.ndarray:
    """LiteRT's result for each of the 256 codes."""
    hires_scale = float(source.scale * np.float32(2.0**-_HIRES_BITS))
    result_multiplier, result_exponent = _sixteen_bit(hires_scale / float(output.scale))
    factor_multiplier, factor_exponent = _sixteen_bit(hires_scale / float(np.float32(_UNIT)))
    hires = (np.arange(256) - source.zero_point) << _HIRES_BITS
    result = _high_product(hires, result_multiplier)
    factor = hires
    if factor_exponent > 0:  # all but the last shift before the product, which then keeps its lowest bit
        factor = _saturate(factor << (factor_exponent - 1))
    factor = _high_product(factor, factor_multiplier)
    if factor_exponent > 0:
        factor = _saturate(factor << 1)
    factor = _rounding_shift(factor, max(-factor_exponent, 0))
    factor = (factor + (1 << 15)) >> 1  # from -1..1 to 0..1
    product = np.trunc(factor * result / 2**15).astype(np.int64)
    return np.clip(_rounding_shift(product, -result_exponent) + output.zero_point, 0, 255).astype(np.uint8)


def hard_swish_scale(source: Codes, output: Codes) -> float | None:
    """The scale by which to dequantize the input for the results of `hard_swish_table`; None where there is none.

    Of those that give them, the one that keeps furthest from halves.
    """
    scales = float(source.scale) * (1 + _STEP * _STEPS[np.abs(_STEPS).argsort(kind="stable")])
    numbers = (np.arange(256) - source.zero_point) * scales[:, None]
    exact = numbers * np.clip(numbers / 6 + 0.5, 0, 1) / float(output.scale) + output.zero_point
    agree = (np.clip(np.rint(exact), 0, 255) == hard_swish_table(source, output)).all(axis=1)
    if not agree.any():
        return None
    distance = np.abs(exact - np.floor(exact) - 0.5)
    distance[(exact < 0) | (exact > 255)] = 0.5
    return float(scales[np.where(agree, distance.min(axis=1), -1).argmax()])


def _sixteen_bit(number: float) -> tuple[int, int]:
    """A positive number as multiplier * 2^(exponent - 15), rounded to 32 bits and then to 16."""
    mantissa, exponent = math.frexp(number)
    wide = math.floor(mantissa * 2**31 + 0.5)
    return min((wide + (1 << 15)) >> 16, 2**15 - 1), exponent


def _high_product(values: np.ndarray, multiplier: int) -> np.ndarray:
    """values * multiplier / 2^15, halves away from zero."""
    product = values * multiplier
    return _saturate(np.trunc((product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))) / 2**15).astype(np.int64))


def _rounding_shift(values: np.ndarray, bits: int) -> np.ndarray:
    """values / 2^bits, halves away from zero."""
    return np.sign(values) * ((np.abs(values) + ((1 << bits) >> 1)) >> bits)


def _saturate(values: np.ndarray) -> np.ndarray:
    return np.clip(values, -(2**15), 2**15 - 1)
