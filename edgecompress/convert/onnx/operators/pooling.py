"""Pools over windows of pixels."""

from __future__ import annotations

import math
from typing import Any

from edgecompress.convert.onnx.emission import Emission
from edgecompress.convert.onnx.litert.rounding import pool_scale
from edgecompress.convert.onnx.operators.convolution import window_pads
from edgecompress.convert.onnx.operators.fused_activation import finish_stored, store_real
from edgecompress.formats.tflite.graph import Operator

_CODE_ZERO = 128  # where int8's code 0 lies among the codes inside


def average_pool(emission: Emission, operator: Operator) -> None:
    """AVERAGE_POOL_2D: pixels that padding adds are not counted.

    Of quantized tensors LiteRT averages the int8 codes themselves and rounds halves away from code 0.
    """
    source, output = operator.inputs[0], operator.outputs[0]
    window = _window(emission, operator)
    if not emission.is_quantized(output):
        value = emission.node("AveragePool", emission.real(source, nchw=True), **window)
        store_real(emission, operator, value, nchw=True)
        return
    zero_point = _CODE_ZERO if emission.tensor(output).dtype == "int8" else 0
    value = emission.decode(emission.stored(source, nchw=True), source, scale=1, zero_point=zero_point)
    value = emission.node("AveragePool", value, **window)
    value = emission.encode(value, output, scale=pool_scale(math.prod(window["kernel_shape"])), zero_point=zero_point)
    emission.store(output, finish_stored(emission, operator, value), nchw=True)


def max_pool(emission: Emission, operator: Operator) -> None:
    """MAX_POOL_2D, of the codes where the tensor is quantized: their order is that of the numbers."""
    value = emission.node("MaxPool", emission.stored(operator.inputs[0], nchw=True), **_window(emission, operator))
    emission.store(operator.outputs[0], finish_stored(emission, operator, value), nchw=True)


def _window(emission: Emission, operator: Operator) -> dict[str, Any]:
    kernel = operator.options["filter_height"], operator.options["filter_width"]
    strides = operator.options["stride_h"], operator.options["stride_w"]
    pads = window_pads(emission, operator, kernel=kernel, strides=strides)
    return {"kernel_shape": kernel, "strides": strides, "pads": pads}
