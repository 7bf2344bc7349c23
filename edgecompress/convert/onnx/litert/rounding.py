"""How LiteRT's int8 kernels round, and the scales with which ONNX Runtime's come to the same codes.

Both runtimes compute the true quotient where it matters most (convolution, matrix product, multiplication, mean,
softmax, sigmoid, tanh) and agree to the bit with the scales of the file. The kernels below use coarse fixed-point
multipliers, or send halves up or away from zero where ONNX Runtime sends them to the even code. A scale changed by less
than the distance from a half to the next possible result moves exactly the halves, and nothing else. The sum and
HARD_SWISH have their own modules.

Not reproduced, and one step apart on few codes: TRANSPOSE_CONV and SUB (ONNX Runtime computes them in float32), and
BATCH_MATMUL, SQUARED_DIFFERENCE, PRELU, SQRT, a RELU or ABS to a scale more than twice the input's, and bilinear
interpolation by other factors than powers of two (LiteRT rounds twice, or has 11-bit weights).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_SLOPE_STEP = 256  # the multiplier of a slope or of a change of scale is a multiple of 1/256
_NUDGE = 2.0**-18  # moves 255 by less than 1/256, and a half by more than float32 rounds


@dataclass(frozen=True)
class Slope:
    """The input scale and the alpha of a LeakyRelu."""

    scale: float
    alpha: float


def slope(source: np.float32, output: np.float32, alpha: float) -> Slope | None:
    """The LeakyRelu that rounds like LiteRT's between two scales; None where LiteRT takes another kernel.

    LiteRT: ((code - zero point) * m + 128) >> 8 with m = 256 * scale / output scale, times alpha below zero: halves go
    up. QUANTIZE from one int8 scale to another is the same with alpha 1.
    """
    ratio = source / output
    positive, negative = round(_SLOPE_STEP * float(ratio)), round(_SLOPE_STEP * float(ratio * np.float32(alpha)))
    if negative < 1 or positive >= _SLOPE_STEP << 7:
        return None
    up, down = 1 + _NUDGE, 1 - _NUDGE
    return Slope(positive / _SLOPE_STEP * float(output) * up, negative / positive * down / up)


def pool_scale(count: int) -> float:
    """The output scale, in codes, by which averages of `count` codes round halves away from zero: just below 1.

    A quotient that is no half is at least 1 / (2 count) away from one; 128 is moved by half of that.
    """
    return 1 - 2.0 ** -(9 + math.ceil(math.log2(count)))


INTERPOLATION_SCALE = 1 - 2.0**-16  # likewise for bilinear interpolation by powers of two, where halves go up
