"""What is known of each value of a graph before it runs: type, shape, and elements where it is a constant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from onnx import ModelProto, NodeProto, helper

from edgecompress.formats.onnx.tensors import stored

_NO_FOLDER = Path()  # tensors in other files are refused before any is looked for
_MAY_MOVE = {"Cast", "DequantizeLinear", "Identity", "Reshape", "Transpose"}  # what a constant passes on its way


@dataclass(frozen=True)
class Facts:
    """Of a model whose shapes were inferred."""

    types: dict[str, int]  # ONNX's codes
    shapes: dict[str, tuple[int, ...]]  # with -1 for lengths that are not known; without values of unknown rank
    constants: dict[str, np.ndarray]
    producers: dict[str, NodeProto]

    def shape(self, node: NodeProto, position: int) -> tuple[int, ...] | None:
        """The shape of an input of a node; None where it is left out, or not all of it is known."""
        shape = self.shapes.get(self.name(node, position))
        return None if shape is None or -1 in shape else shape

    def constant(self, node: NodeProto, position: int) -> np.ndarray | None:
        """The elements of an input of a node; None where it is left out, or computed."""
        return self.constants.get(self.name(node, position))

    def origin(self, node: NodeProto, position: int) -> np.ndarray | None:
        """The constant that an input is, or is made of by changes of its type and layout alone."""
        name = self.name(node, position)
        while name not in self.constants:
            producer = self.producers.get(name)
            if producer is None or producer.op_type not in _MAY_MOVE or producer.domain:
                return None
            name = producer.input[0]
        return self.constants[name]

    @staticmethod
    def name(node: NodeProto, position: int) -> str:
        """The name of an input of a node; "" where it is left out."""
        return node.input[position] if position < len(node.input) else ""


def facts_of(model: ModelProto) -> Facts:
    """Collect them. Raises ModelFileError for a constant that has more or fewer elements than its shape says."""
    graph = model.graph
    types, shapes = dict[str, int](), dict[str, tuple[int, ...]]()
    for info in (*graph.input, *graph.value_info, *graph.output):
        tensor = info.type.tensor_type
        if tensor.elem_type:
            types[info.name] = tensor.elem_type
        if tensor.HasField("shape"):
            dims = tensor.shape.dim
            shapes[info.name] = tuple(each.dim_value if each.HasField("dim_value") else -1 for each in dims)
    constants = {}
    for proto in graph.initializer:
        tensor = stored(proto, _NO_FOLDER)
        types[proto.name], shapes[proto.name] = proto.data_type, tensor.shape
        if tensor.is_plain:
            constants[proto.name] = tensor.array()
    producers = {value: node for node in graph.node for value in node.output}
    return Facts(types, shapes, constants, producers)


def attribute(node: NodeProto, name: str, default: object) -> object:
    """The value of an attribute, or the default where the node has none of that name."""
    return next((helper.get_attribute_value(each) for each in node.attribute if each.name == name), default)
