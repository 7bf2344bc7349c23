"""Operators that change how numbers are stored."""

from __future__ import annotations

import numpy as np

from edgecompress.convert.onnx.emission import Emission
from edgecompress.convert.onnx.litert.rounding import slope
from edgecompress.formats.tflite.graph import Operator


def quantize(emission: Emission, operator: Operator) -> None:
    """QUANTIZE of real numbers, or of codes to another scale or type.

    LiteRT multiplies by the reciprocal of the scale, ONNX divides by the scale. That decides pixels: in units of a
    scale such as 2 / 255 they are halves.
    """
    source, output = operator.inputs[0], operator.outputs[0]
    nchw = emission.has_nchw(source)
    if emission.is_quantized(source):
        value = requantized(emission, source, output, nchw=nchw)
    else:
        reciprocal = emission.constant(np.array(np.float32(1) / emission.code_scheme(output)[0]))
        value = emission.node("Mul", emission.real(source, nchw=nchw), reciprocal)
        value = emission.encode(value, output, scale=1)
    emission.store(output, value, nchw=nchw)


def requantized(emission: Emission, source: int, output: int, *, nchw: bool = False, alpha: float = 1.0) -> str:
    """The codes of `source` in the scheme of `output`, with negative numbers times `alpha`."""
    codes = emission.stored(source, nchw=nchw)
    scheme, output_scheme = emission.code_scheme(source), emission.code_scheme(output)
    if scheme == output_scheme and alpha == 1:
        return codes
    like_litert = slope(scheme[0], output_scheme[0], alpha)
    if like_litert is not None and emission.tensor(source).dtype == emission.tensor(output).dtype:
        value = emission.decode(codes, source, scale=like_litert.scale)
        return emission.encode(emission.node("LeakyRelu", value, alpha=like_litert.alpha), output)
    value = emission.real(source, nchw=nchw)
    value = value if alpha == 1 else emission.node("LeakyRelu", value, alpha=alpha)
    return emission.encode(value, output)


def dequantize(emission: Emission, operator: Operator) -> None:
    """DEQUANTIZE of codes; of float16 and int8 constants it is done where they are used."""
    source, output = operator.inputs[0], operator.outputs[0]
    if not emission.graph.stored_constant(output):
        nchw = emission.has_nchw(source)
        emission.store(output, emission.real(source, nchw=nchw), nchw=nchw)


def densify(emission: Emission, operator: Operator) -> None:
    """DENSIFY, which is done where its constant is used."""
    emission.array(operator.inputs[0], "elements")
