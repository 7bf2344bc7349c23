"""Operators that move a window over images: convolutions and pools."""

from __future__ import annotations

from edgecompress.convert.tflite.rules.node import (
    Node,
    require,
    require_codes,
    require_same,
    require_shape,
    require_type,
    rules,
    shape_of,
)
from edgecompress.convert.tflite.rules.products import require_bias_size, require_product
from edgecompress.formats.tflite.graph import Tensor

_POOLED = ("float32", "int8", "uint8", "int16")


def windows(length: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """How many places a window has along an axis."""
    if padding == "SAME":
        return -(-length // stride)
    return max(-(-(length - (kernel - 1) * dilation) // stride), 0)


def image(tensor: Tensor, what: str = "its input") -> tuple[int, int, int, int]:
    """N, H, W, C."""
    shape = shape_of(tensor)
    require(len(shape) == 4, f"{what} has {len(shape)} axes; 4 are expected")
    return shape[0], shape[1], shape[2], shape[3]


def _steps(node: Node, *, dilated: bool) -> tuple[tuple[int, int], tuple[int, int]]:
    strides = node.option("stride_h"), node.option("stride_w")
    dilations = (node.option("dilation_h_factor"), node.option("dilation_w_factor")) if dilated else (1, 1)
    require(min(*strides, *dilations) >= 1, f"its strides are {strides} and its dilations {dilations}")
    return strides, dilations


def _convolved(node: Node, kernel: tuple[int, int], outputs: int) -> None:
    batch, *sides, _ = image(node.input(0))
    strides, dilations = _steps(node, dilated=True)
    padding = node.option("padding")
    found = [windows(*axis, padding) for axis in zip(sides, kernel, strides, dilations, strict=True)]
    require_shape(node.output, (batch, *found, outputs))
    require_bias_size(node.optional(2), outputs)


def _convolution_types(node: Node) -> None:
    require_product(node.input(0), node.input(1), node.optional(2), node.output, axis=0)


def _convolution_shapes(node: Node) -> None:
    channels = image(node.input(0))[3]
    outputs, height, width, inputs = image(node.input(1), "its kernel")
    require(inputs > 0 and channels % inputs == 0, f"its input has {channels} channels and its kernel {inputs}")
    require(outputs % (channels // inputs) == 0, f"its {outputs} filters are in {channels // inputs} groups")
    _convolved(node, (height, width), outputs)


def _depthwise_types(node: Node) -> None:
    require_product(node.input(0), node.input(1), node.optional(2), node.output, axis=3)


def _depthwise_shapes(node: Node) -> None:
    channels = image(node.input(0))[3]
    one, height, width, outputs = image(node.input(1), "its kernel")
    require(one == 1, f"its kernel has {one} along the first axis; 1 is expected")
    require(channels > 0 and outputs % channels == 0, f"its input has {channels} channels and its kernel {outputs}")
    _convolved(node, (height, width), outputs)


def _transposed_types(node: Node) -> None:
    require_product(node.input(2), node.input(1), node.optional(3), node.output, axis=0)


def _transposed_shapes(node: Node) -> None:
    batch, *sides, channels = image(node.input(2))
    outputs, *kernel, inputs = image(node.input(1), "its kernel")
    require(inputs == channels, f"its input has {channels} channels and its kernel {inputs}")
    strides, _ = _steps(node, dilated=False)
    size = node.integers(0)
    if size is not None:
        require_shape(node.output, size)
    found_batch, *found, found_channels = image(node.output, "its output")
    back = [windows(*axis, 1, node.option("padding")) for axis in zip(found, kernel, strides, strict=True)]
    require(
        (found_batch, back, found_channels) == (batch, sides, outputs),
        f"its output {node.output.shape} leads back to images of {back} pixels, not {sides}, or to other channels",
    )
    require_bias_size(node.optional(3), outputs)


def _pool_types(node: Node) -> None:
    require_type(node.input(0), _POOLED, "its input")
    require_codes(node.input(0), "its input")
    require_same(node.input(0), node.output)


def _pool_shapes(node: Node) -> None:
    batch, *sides, channels = image(node.input(0))
    strides, dilations = _steps(node, dilated=False)
    kernel = node.option("filter_height"), node.option("filter_width")
    require(min(kernel) >= 1, f"its window is {kernel}")
    padding = node.option("padding")
    found = [windows(*axis, padding) for axis in zip(sides, kernel, strides, dilations, strict=True)]
    require_shape(node.output, (batch, *found, channels))


RULES = {
    "CONV_2D": rules(range(2, 4), _convolution_types, _convolution_shapes),
    "DEPTHWISE_CONV_2D": rules(range(2, 4), _depthwise_types, _depthwise_shapes),
    "TRANSPOSE_CONV": rules(range(3, 5), _transposed_types, _transposed_shapes),
    "AVERAGE_POOL_2D": rules(1, _pool_types, _pool_shapes),
    "MAX_POOL_2D": rules(1, _pool_types, _pool_shapes),
}
