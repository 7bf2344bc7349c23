"""Shapes in graphs that call edgecompress's binary functions: the library follows none through their bodies.

What the functions give is known here, and what stands behind them is asked for node by node.
"""

from __future__ import annotations

from collections.abc import Callable

from onnx import ModelProto, NodeProto, OperatorSetIdProto, TensorProto, defs, helper, shape_inference

from edgecompress.formats.onnx.operators import BINARY_DOMAIN, STANDARD_DOMAINS, Shape, attributes, bit_channels
from edgecompress.formats.onnx.values import Values

_MAX_FIGURES = 1 << 10  # in a constant that a shape is computed from
_FIGURES = {"int32", "int64"}


def _length(size: int, taps: int, stride: int, dilation: int, border: int) -> int:
    """How often a window fits; -1 if the size is free, or the window impossible."""
    span = size + border - (taps - 1) * dilation - 1
    return span // stride + 1 if size >= 0 and span >= 0 and stride > 0 and taps > 0 and dilation > 0 else -1


def _windowed(node: NodeProto, data: Shape, taps: Shape) -> Shape:
    """Height and width behind a convolution or pool of N x H x W x bytes."""
    pads = attributes(node, "pads", (0,) * 4)
    strides, dilations = attributes(node, "strides", (1, 1)), attributes(node, "dilations", (1, 1))
    borders = pads[0] + pads[2], pads[1] + pads[3]
    return tuple(map(_length, data[1:3], taps, strides, dilations, borders))


def _bytes(channels: int) -> int:
    return -(-channels // 8) if channels >= 0 else -1


def _quantize(node: NodeProto, data: Shape, kernel: Shape) -> Shape | None:
    return (data[0], *data[2:], _bytes(data[1])) if len(data) in (2, 4) else None


def _dequantize(node: NodeProto, data: Shape, kernel: Shape) -> Shape | None:
    return (*data[:-1], bit_channels(node, data)) if data else None


def _convolution(node: NodeProto, data: Shape, kernel: Shape) -> Shape | None:
    if len(data) != 4 or len(kernel) != 4:
        return None
    return (data[0], kernel[0], *_windowed(node, data, kernel[1:3]))


def _convolution_to_bits(node: NodeProto, data: Shape, kernel: Shape) -> Shape | None:
    found = _convolution(node, data, kernel)
    return found and (found[0], *found[2:], _bytes(found[1]))


def _max_pool(node: NodeProto, data: Shape, kernel: Shape) -> Shape | None:
    if len(data) != 4:
        return None
    return (data[0], *_windowed(node, data, attributes(node, "kernel_shape", (1, 1))), data[3])


_OUTPUTS: dict[str, Callable[[NodeProto, Shape, Shape], Shape | None]] = {
    "BinaryQuantize": _quantize,
    "BinaryDequantize": _dequantize,
    "BinaryConv2d": _convolution,
    "BinaryConv2dBits": _convolution_to_bits,
    "BinaryMaxPool": _max_pool,
}


class Shapes:
    """Finds the shapes of what nodes make; nothing where a model calls no binary functions: they are known then."""

    def __init__(self, model: ModelProto) -> None:
        self._opsets = {each.domain: each.version for each in model.opset_import}
        self._needed = BINARY_DOMAIN in self._opsets

    def learn(self, node: NodeProto, values: Values) -> None:
        """Know the shapes of a node's outputs, if those of its inputs are known."""
        if not self._needed or not node.output:
            return
        if node.domain == BINARY_DOMAIN and node.op_type in _OUTPUTS:
            data, kernel = values.shape(node, 0), values.shape(node, 1) or ()
            found = _OUTPUTS[node.op_type](node, data, kernel) if data is not None else None
            if found is not None:
                values.shapes[node.output[0]] = found
        elif node.domain in STANDARD_DOMAINS and any(-1 in values.shapes.get(each, (-1,)) for each in node.output):
            for name, found in self._inferred(node, values).items():
                values.shapes.setdefault(name, found)
                if -1 in values.shapes[name] and len(found) == len(values.shapes[name]):
                    values.shapes[name] = found

    def _inferred(self, node: NodeProto, values: Values) -> dict[str, Shape]:
        shapes = {name: values.shape(node, position) for position, name in enumerate(node.input) if name}
        if None in shapes.values():
            return {}
        figures = dict[str, TensorProto]()
        kinds: dict[str, int] = dict.fromkeys(shapes, TensorProto.FLOAT)
        for position, name in enumerate(node.input):
            constant = values.constant(node, position)
            if constant is not None and constant.tensor.is_plain:
                kinds[name] = constant.tensor.proto.data_type
                if constant.tensor.dtype in _FIGURES and constant.tensor.size <= _MAX_FIGURES:
                    figures[name] = constant.tensor.proto
        try:
            types = {
                name: helper.make_tensor_type_proto(kinds[name], [None if each < 0 else each for each in shape or ()])
                for name, shape in shapes.items()
            }
            schema = defs.get_schema(node.op_type, self._opsets.get(node.domain, 1), node.domain)
            opsets = [OperatorSetIdProto(domain=domain, version=version) for domain, version in self._opsets.items()]
            found = shape_inference.infer_node_outputs(schema, node, types, figures, opset_imports=opsets)
        except Exception:  # whatever the library objects to: the shapes remain unknown
            return {}
        return {
            name: tuple(each.dim_value if each.HasField("dim_value") else -1 for each in kind.tensor_type.shape.dim)
            for name, kind in found.items()
            if kind.tensor_type.HasField("shape")
        }
