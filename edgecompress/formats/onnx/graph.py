"""The bytes of an ONNX file as a bounded protobuf message: functions inlined, shapes inferred where that works."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.message import DecodeError
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    inliner,
    shape_inference,
    version_converter,
)

from edgecompress.errors import ModelFileError
from edgecompress.formats.onnx.operators import BINARY_DOMAIN, BINARY_FUNCTIONS

MAX_PARTS = 1 << 17  # nodes and tensors, with those in nested graphs and functions; tenfold what large graphs have
MAX_DEPTH = 16  # of graphs within graphs, and functions within functions
_SHAPES = {TensorProto.INT32, TensorProto.INT64}  # tensors that shapes may be computed from
_NEWER_OPSET = 14
_BINARY = [(BINARY_DOMAIN, name) for name in BINARY_FUNCTIONS]


def parse_model(content: bytes) -> ModelProto:
    """Parse and bound a model; calls of its own functions are replaced by what the functions hold.

    Those of edgecompress's binary functions stay: each stands for one operator, and runtimes have kernels for them.

    Raises:
        ModelFileError: no ONNX model, or more nodes, tensors or nesting than the bounds allow.
    """
    model = ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise ModelFileError(
            f"It is no ONNX model, or is damaged or cut short ({error}).", hint="Fetch or convert it again."
        ) from error
    if not model.ir_version or not model.graph.output:
        raise ModelFileError(
            "It is no ONNX model: it has no format version, or no graph with an output.",
            hint="Is it complete, and of the right format?",
        )
    _require_bounded(model)
    if model.functions:
        try:
            return inliner.inline_selected_functions(model, _BINARY, exclude=True)
        except Exception:  # whatever the library objects to: its calls are then layers of an unknown kind
            return model
    return model


def infer_shapes(model: ModelProto) -> ModelProto:
    """Return the model with the shapes that could be inferred, and without the data of its outermost float tensors."""
    light = ModelProto()
    light.CopyFrom(model)
    light.ClearField("functions")  # nothing can be followed through those that were not inlined
    for tensor in light.graph.initializer:
        if tensor.data_type not in _SHAPES:
            for field in ("raw_data", "float_data", "double_data", "int32_data", "uint64_data", "external_data"):
                tensor.ClearField(field)
            tensor.ClearField("data_location")
    inferred = _inferred(light)
    if any(each.domain in {"", "ai.onnx"} and each.version < _NEWER_OPSET for each in model.opset_import):
        # Only newer operators tell the library how to follow shapes through Shape, Slice, Concat into Reshape.
        try:
            newer = _inferred(version_converter.convert_version(light, _NEWER_OPSET)).graph
        except Exception:  # it knows no such conversion
            return inferred
        inferred.graph.value_info.extend((*newer.value_info, *newer.output))
    return inferred


def _inferred(model: ModelProto) -> ModelProto:
    try:
        return shape_inference.infer_shapes(model, data_prop=True)
    except Exception:  # an inconsistent model, or a type the library does not know; the file's own shapes remain
        return model


def nested_graphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs that a node holds, as If, Loop and Scan do."""
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == AttributeProto.GRAPHS:
            yield from attribute.graphs


def _require_bounded(model: ModelProto) -> None:
    """Count what there is once every call of a function is replaced by what the function holds."""
    functions = {(function.domain, function.name): function for function in model.functions}
    counted: dict[tuple[str, str], int] = {}

    def count(nodes: Iterable[NodeProto], depth: int) -> int:
        if depth > MAX_DEPTH:
            raise ModelFileError(f"Its graphs and functions are nested more than {MAX_DEPTH} deep, or call themselves.")
        parts = 0
        for node in nodes:
            key = (node.domain, node.op_type)
            if key in functions and key not in counted:
                counted[key] = count(functions[key].node, depth + 1)
            parts += counted.get(key, 1)
            parts += sum(tensors(graph) + count(graph.node, depth + 1) for graph in nested_graphs(node))
        return parts

    def tensors(graph: GraphProto) -> int:
        return len(graph.initializer) + len(graph.sparse_initializer)

    parts = tensors(model.graph) + count(model.graph.node, 0)
    if parts > MAX_PARTS:
        raise ModelFileError(f"It has {parts} nodes and tensors; the limit is {MAX_PARTS}.")
