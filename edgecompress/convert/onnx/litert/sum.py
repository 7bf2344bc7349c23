"""The scales with which ONNX Runtime adds codes as LiteRT does.

A sum is taken again and again along a residual network, and one code that differs at its start is many at its end.
LiteRT adds in fixed point, ONNX Runtime on Arm too, with one bit more, and on x86 in float32, which cannot tell a half
from its neighbours. The scales found here name LiteRT's multipliers so closely that Arm's are the same, and are chosen
among such scales for x86 to round all 65,536 pairs of codes the same way. Of random sums, 7 in 1,000 keep a pair that
differs, by one; with the scales of the file 480 do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_BITS = 20  # of the larger multiplier, below its leading one
_NEAR_HALF = 2.0**-12  # further from a half than that, float32 has no doubt
_MOST_PAIRS = 1024  # that near a half there are 32 of 65,536; many more are exact halves, which no scale moves apart
_TOLERANCES = (0.25, 1.0)  # of a unit of the multipliers: what leaves Arm's the same, then what changes their last bit


@dataclass(frozen=True)
class Codes:
    """Scale and zero point of uint8 codes."""

    scale: np.float32
    zero_point: int


@dataclass(frozen=True)
class Sum:
    """The scales by which to dequantize both sides of an ADD, and whether to add the second side first."""

    first_scale: np.float32
    second_scale: np.float32
    swapped: bool


def sum_like_litert(first: Codes, second: Codes, output: Codes) -> Sum:
    """The form of an ADD in which the runtimes differ on the fewest pairs of codes, mostly on none.

    LiteRT: ((a - za) * ma + (b - zb) * mb + half) >> shift, with m = scale / output scale in units of 2^-shift.
    """
    exponent = math.frexp(max(first.scale, second.scale) / output.scale)[1] - 1
    shift = _BITS - exponent
    multipliers = [round(math.ldexp(float(side.scale / output.scale), shift)) for side in (first, second)]
    a, b, expected = _doubtful_pairs(first, second, output, multipliers, shift)
    best, fewest = None, a.size + 1
    for form in _forms(multipliers, shift, output.scale):
        sides = (a, Codes(form.first_scale, first.zero_point)), (b, Codes(form.second_scale, second.zero_point))
        result = _float_sum(*(sides[::-1] if form.swapped else sides), output)
        differing = int(np.count_nonzero(result != expected))
        if differing < fewest:
            best, fewest = form, differing
        if not fewest or a.size > _MOST_PAIRS:
            break
    assert best is not None
    return best


def _doubtful_pairs(
    first: Codes, second: Codes, output: Codes, multipliers: list[int], shift: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of codes whose sum is close to a half, and LiteRT's sum of them."""
    a, b = (codes.ravel() for codes in np.meshgrid(np.arange(256), np.arange(256)))
    total = (a - first.zero_point) * multipliers[0] + (b - second.zero_point) * multipliers[1] + (1 << (shift - 1))
    code, remainder = (total >> shift) + output.zero_point, total & ((1 << shift) - 1)
    distance = np.minimum(remainder, (1 << shift) - remainder) / (1 << shift)
    doubtful = (distance < _NEAR_HALF) & (code >= 0) & (code <= 256)  # a half below 256 may be rounded down to 255
    return a[doubtful], b[doubtful], np.minimum(code[doubtful], 255)


def _forms(multipliers: list[int], shift: int, output_scale: np.float32) -> Iterator[Sum]:
    """Sums by float32 scales whose ratio to the output's is the multiplier to within a tolerance, nearest first."""
    for tolerance in _TOLERANCES:
        first_scales, second_scales = (
            _nearest_scales(math.ldexp(multiplier, -shift), output_scale, math.ldexp(tolerance, -shift))
            for multiplier in multipliers
        )
        for first_scale in first_scales:
            for second_scale in second_scales:
                yield Sum(first_scale, second_scale, swapped=False)
                yield Sum(first_scale, second_scale, swapped=True)


def _nearest_scales(ratio: float, output_scale: np.float32, tolerance: float) -> list[np.float32]:
    nearest = np.float32(ratio * float(output_scale))
    scales = nearest + np.arange(-8, 9, dtype=np.float32) * np.spacing(nearest)
    off = np.abs((scales / output_scale).astype(np.float64) - ratio)
    return [scales[i] for i in np.argsort(off, kind="stable") if off[i] <= tolerance or scales[i] == nearest]


def _float_sum(first: tuple[np.ndarray, Codes], second: tuple[np.ndarray, Codes], output: Codes) -> np.ndarray:
    """ONNX Runtime's sum on x86: a * ra + (b * rb + (z - (ra * za + rb * zb))), each step fused and rounded to float32.

    A product of float32 and a code is exact in float64, so that one rounding is left, as in a fused multiply-add.
    """
    (a, a_codes), (b, b_codes) = first, second
    ra, rb = (np.float64(codes.scale / output.scale) for codes in (a_codes, b_codes))
    offset = np.float32(ra * a_codes.zero_point + np.float64(np.float32(rb * b_codes.zero_point)))
    fixed = np.float32(output.zero_point) - offset
    partial = (b * rb + np.float64(fixed)).astype(np.float32)
    return np.clip(np.rint((a * ra + partial).astype(np.float32)), 0, 255)
