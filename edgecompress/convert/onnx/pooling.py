"""Pools over windows of pixels."""

from __future__ import annotations

from edgecompress.convert.onnx.convolution import window_pads
from edgecompress.convert.onnx.emission import Emission, is_quantized
from edgecompress.convert.onnx.fused_activation import clamp, store_result
from edgecompress.formats.tflite_graph import Operator


def average_pool(emission: Emission, operator: Operator) -> None:
    """AVERAGE_POOL_2D: pixels that padding adds are not counted."""
    value = emission.real(operator.inputs[0], nchw=True)
    store_result(emission, operator, emission.node("AveragePool", value, **_window(emission, operator)), nchw=True)


def max_pool(emission: Emission, operator: Operator) -> None:
    """MAX_POOL_2D, of the codes where the tensor is quantized: their order is that of the numbers."""
    source, output = operator.inputs[0], operator.outputs[0]
    value = emission.node("MaxPool", emission.stored(source, nchw=True), **_window(emission, operator))
    if is_quantized(emission.tensor(output)):
        emission.store(output, clamp(emission, operator, value), nchw=True)
    else:
        store_result(emission, operator, value, nchw=True)


def _window(emission: Emission, operator: Operator) -> dict[str, object]:
    kernel = operator.options["filter_height"], operator.options["filter_width"]
    strides = operator.options["stride_h"], operator.options["stride_w"]
    pads = window_pads(emission, operator, kernel=kernel, strides=strides)
    return {"kernel_shape": kernel, "strides": strides, "pads": pads}
