"""Operators that change how numbers are stored."""

from __future__ import annotations

from edgecompress.convert.onnx.emission import Emission
from edgecompress.formats.tflite_graph import Operator


def quantize(emission: Emission, operator: Operator) -> None:
    """QUANTIZE of real numbers, or of codes with another scale or type."""
    source, output = operator.inputs[0], operator.outputs[0]
    nchw = emission.has_nchw(source)
    emission.store(output, emission.encode(emission.real(source, nchw=nchw), output), nchw=nchw)


def dequantize(emission: Emission, operator: Operator) -> None:
    """DEQUANTIZE of codes; of float16 and int8 constants it is done where these are used."""
    if emission.graph.stored_constant(operator.outputs[0]):
        return
    nchw = emission.has_nchw(operator.inputs[0])
    emission.store(operator.outputs[0], emission.real(operator.inputs[0], nchw=nchw), nchw=nchw)


def densify(emission: Emission, operator: Operator) -> None:
    """DENSIFY, which the reader does."""
    emission.array(operator.inputs[0], "elements")
