"""Calls of edgecompress's functions: bits of as many channels as they say, and constants of one number a filter."""

from __future__ import annotations

from onnx import NodeProto, TensorProto

from edgecompress.convert.onnx.checking.facts import Facts, attribute

_LENGTHS = {"kernel_shape": 2, "pads": 4, "strides": 2, "dilations": 2}


def binary_problem(node: NodeProto, facts: Facts) -> str:
    """What is wrong with a call; "" for nothing."""
    for name, count in _LENGTHS.items():
        values = attribute(node, name, [0] * count)
        assert isinstance(values, list)
        if len(values) != count or min(values) < 0:
            return f"its {name} are {values}, where {count} numbers are needed"
    if not node.op_type.startswith("BinaryConv2d"):
        return ""
    kernel, channels = facts.shape(node, 1), attribute(node, "channels", 0)
    assert isinstance(channels, int)
    if facts.types.get(node.input[1]) != TensorProto.UINT8 or kernel is None or len(kernel) != 4:
        return f"its kernel has the shape {kernel}, where bits [filters, height, width, bytes] are needed"
    if kernel[3] != -(-channels // 8) or channels < 1:
        return f"its kernel has {kernel[3]} bytes a pixel for {channels} channels"
    wanted = TensorProto.INT32 if node.op_type == "BinaryConv2dBits" else TensorProto.FLOAT
    for position in range(2, len(node.input)):
        if facts.shape(node, position) != kernel[:1] or facts.types.get(node.input[position]) != wanted:
            return f"'{node.input[position]}' is not one number for each of its {kernel[0]} filters"
    return ""
