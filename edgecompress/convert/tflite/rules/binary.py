"""The operators of Larq Compute Engine, as edgecompress's kernels and its own take them."""

from __future__ import annotations

from edgecompress.convert.tflite.rules.node import Node, require, require_shape, require_type, rules, shape_of
from edgecompress.convert.tflite.rules.windows import image, windows
from edgecompress.formats.tflite.graph import Tensor

_WORD_BITS = 32


def words(channels: int) -> int:
    """How many int32 words hold the bits of so many channels."""
    return -(-channels // _WORD_BITS)


def _quantized_types(node: Node) -> None:
    require_type(node.input(0), ("float32", "int8"), "its input")
    require_type(node.output, ("int32",), "its output")


def _quantized(node: Node) -> None:
    *outer, channels = shape_of(node.input(0))
    require_shape(node.output, (*outer, words(channels)))


def _dequantized_types(node: Node) -> None:
    require_type(node.input(0), ("int32",), "its input")
    require_type(node.output, ("float32", "int8"), "its output")


def _dequantized(node: Node) -> None:
    *outer, channels = shape_of(node.output)
    require_shape(node.input(0), (*outer, words(channels)), "its input")


def _convolution_types(node: Node) -> None:
    for place in (0, 1):
        require_type(node.input(place), ("int32",), f"its input {place}")
    require_type(node.output, ("float32", "int32"), "its output")
    bits = node.output.dtype == "int32"
    for place, what, given in ((2, "multiplier", not bits), (3, "bias", not bits), (4, "threshold", bits)):
        tensor = node.optional(place)
        require(
            (tensor is not None) == given, f"its {what} is {'missing' if given else 'given'} for {node.output.dtype}"
        )
        if tensor is not None:
            require_type(tensor, ("int32" if bits else "float32",), f"its {what}")
            require(tensor.data is not None, f"its {what} is no constant")


def _convolution(node: Node) -> None:
    batch, *sides, width = image(node.input(0))
    outputs, *kernel, depth = image(node.input(1), "its kernel")
    expected = words(node.option("channels_in"))
    require(width == depth == expected, f"its input has {width} words, its kernel {depth}, its channels {expected}")
    strides = node.option("stride_height"), node.option("stride_width")
    dilations = node.option("dilation_height_factor"), node.option("dilation_width_factor")
    require(min(*strides, *dilations) >= 1, f"its strides are {strides} and its dilations {dilations}")
    padding = node.option("padding")
    found = [windows(*axis, padding) for axis in zip(sides, kernel, strides, dilations, strict=True)]
    bits = node.output.dtype == "int32"
    require(node.option("pad_values") in (0, 1), f"it pads with {node.option('pad_values')}")
    unit = padding == "VALID" or (max(kernel) == 1)
    require(not bits or node.option("pad_values") == 1 or unit, "it gives bits and pads with 0, which is none")
    require_shape(node.output, (batch, *found, words(outputs) if bits else outputs))
    for constant in (node.optional(place) for place in (2, 3, 4)):
        _require_size(constant, outputs)


def _require_size(constant: Tensor | None, outputs: int) -> None:
    if constant is not None:
        require(constant.size == outputs, f"'{constant.name}' has {constant.size} numbers for {outputs} filters")


def _pool_types(node: Node) -> None:
    require_type(node.input(0), ("int32",), "its input")
    require_type(node.output, ("int32",), "its output")


def _pool(node: Node) -> None:
    batch, *sides, width = image(node.input(0))
    strides = node.option("stride_height"), node.option("stride_width")
    kernel = node.option("filter_height"), node.option("filter_width")
    require(min(*strides, *kernel) >= 1, f"its window is {kernel}, moved by {strides}")
    padding = node.option("padding")
    found = [windows(*axis, padding) for axis in zip(sides, kernel, strides, (1, 1), strict=True)]
    require_shape(node.output, (batch, *found, width))


CUSTOM_RULES = {
    "LceQuantize": rules(1, _quantized_types, _quantized),
    "LceDequantize": rules(1, _dequantized_types, _dequantized),
    "LceBconv2d": rules(5, _convolution_types, _convolution),
    "LceBMaxPool2d": rules(1, _pool_types, _pool),
}
