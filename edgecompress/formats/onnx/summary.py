"""From an ONNX graph to its summary: one layer a node, counted from the constants and shapes that it reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod
from pathlib import Path

from onnx import GraphProto, ModelProto, NodeProto, TypeProto, helper

from edgecompress.errors import ModelFileError
from edgecompress.formats.onnx.batch import name_batch, values_along, with_batch_of_one
from edgecompress.formats.onnx.graph import infer_shapes, nested_graphs, parse_model
from edgecompress.formats.onnx.operators import (
    BINARY_FUNCTIONS,
    ELEMENTWISE,
    OPERATORS,
    STANDARD_DOMAINS,
    UNCOUNTED,
    Operator,
    Shape,
    attribute,
    bit_channels,
)
from edgecompress.formats.onnx.shapes import Shapes
from edgecompress.formats.onnx.tensors import MAX_RANK, StoredTensor, constant_of, stored, stored_sparse, text
from edgecompress.formats.onnx.values import Constant, Values
from edgecompress.formats.summary import LayerSummary, ModelSummary, common_batch
from edgecompress.values import TensorSpec

MAX_NAME = 4096
MAX_SHARING = 4  # bytes of tensors for each byte of a file of external data: several may name the same
_UNKNOWN: Shape = (-1,)
_PLAIN = Operator()


def summarize(content: bytes, folder: Path) -> ModelSummary:
    """Summarize the bytes of an ONNX file whose external data, if any, lies in `folder`.

    Raises:
        ModelFileError: see `read_onnx`.
    """
    model = parse_model(content)
    batch = name_batch(model)
    graph = infer_shapes(model).graph  # without the data of the constants
    # Steps along the batch: whoever called that axis the batch was wrong.
    doubted = {p: values_along((*graph.input, *graph.value_info), batch, p) if batch else set() for p in (0, 1)}
    walk, values = _Walk(folder, Shapes(model), doubted), Values()
    constants = walk.stored(model.graph)
    walk.graph(graph, constants, values)
    layers = walk.layers
    if batch:  # the work is that of a batch of one, in which no shape depends on it
        single = with_batch_of_one(model, batch)
        counts = _Walk(folder, Shapes(single), doubted, only_work=True)
        counts.graph(infer_shapes(single).graph, counts.stored(single.graph), Values())
        layers = [
            replace(layer, multiply_adds=count.multiply_adds, uncounted=count.uncounted)
            for layer, count in zip(layers, counts.layers, strict=True)
        ]
    return ModelSummary(
        format="onnx",
        inputs=tuple(_spec(each.name, each.type, values) for each in graph.input if each.name not in constants),
        outputs=tuple(_spec(each.name, each.type, values) for each in graph.output),
        layers=tuple(layers),
        metadata=_metadata(model) | walk.external_files,
    )


def known_shapes(graph: GraphProto) -> dict[str, Shape]:
    """The shapes that a graph tells of its values, -1 where an axis is free.

    Raises:
        ModelFileError: an unknown type, or a shape of more axes than the bound.
    """
    forms = {value.name: _form(value.type)[1] for value in (*graph.input, *graph.output, *graph.value_info)}
    return {name: shape for name, shape in forms.items() if shape is not None}


class _Walk:
    """Collects the layers; kernels that several nodes share count once."""

    def __init__(self, folder: Path, shapes: Shapes, doubted: dict[int, set[str]], *, only_work: bool = False) -> None:
        self.layers: list[LayerSummary] = []
        self._doubted, self._only_work, self._batch = doubted, only_work, 1
        self._shapes = shapes
        self._folder = folder
        self._counted: set[StoredTensor] = set()
        self._external_bytes: Counter[Path] = Counter()

    @property
    def external_files(self) -> dict[str, str]:
        """The names of the files that tensors lie in, if there are any."""
        names = ", ".join(sorted(path.name for path in self._external_bytes))
        return {"external_data": names} if names else {}

    def stored(self, graph: GraphProto) -> dict[str, StoredTensor]:
        """The initializers of a graph, checked."""
        tensors = {proto.name: stored(proto, self._folder) for proto in graph.initializer}
        sparse = {proto.values.name: stored_sparse(proto, self._folder) for proto in graph.sparse_initializer}
        return tensors | sparse

    def graph(self, graph: GraphProto, constants: dict[str, StoredTensor], values: Values, within: str = "") -> None:
        """Walk the nodes in their order, in which each finds its inputs made, and behind each the graphs it holds.

        Those are `within` a node, and how often they run is not known.
        """
        values.shapes.update(known_shapes(graph))
        if not within:
            ends = [[values.shapes.get(each.name, ()) for each in side if each.name not in constants]
                    for side in (graph.input, graph.output)]  # fmt: skip
            self._batch = common_batch(*ends)
        for name, tensor in constants.items():
            self._define(name, tensor, values)
        for node in graph.node:
            self._node(node, values, within)
            for inner in nested_graphs(node):
                self.graph(inner, self.stored(inner), values.inner(), within or _name(node, text(node.op_type)))

    def _define(self, name: str, tensor: StoredTensor, values: Values) -> None:
        if tensor.external is not None:
            path = tensor.external.path
            self._external_bytes[path] += tensor.external.size_bytes
            if self._external_bytes[path] > MAX_SHARING * path.stat().st_size:
                raise ModelFileError(f"Its tensors name far more bytes of {path.name!r} than that file has.")
        values.constants[name] = Constant(tensor)
        values.shapes[name] = tensor.shape

    def _node(self, node: NodeProto, values: Values, within: str) -> None:
        kind = text(node.op_type)
        if node.domain not in STANDARD_DOMAINS:
            kind = f"{text(node.domain)}.{kind}"
        if kind == "Constant":
            tensor = constant_of(node, self._folder)
            if tensor is not None and node.output:
                self._define(node.output[0], tensor, values)
            return
        operator = OPERATORS.get(kind, _PLAIN)
        values.learn(node, kind, operator)
        self._shapes.learn(node, values)
        self.layers.append(self._layer(node, kind, operator, values, within))

    def _layer(self, node: NodeProto, kind: str, operator: Operator, values: Values, within: str) -> LayerSummary:
        kernels = _kernels(node, operator, values)
        fresh = [constant for constant in kernels if constant.tensor not in self._counted]
        self._counted.update(constant.tensor for constant in fresh)
        weights = sum(_elements(node, operator, constant) for constant in fresh)
        others = _others(node, kind, operator, values) if fresh or not kernels else 0
        output = values.shapes.get(node.output[0]) if node.output else None
        work = self._work(node, kind, operator, values, output)
        return LayerSummary(
            name=_name(node, kind),
            kind=kind,
            output_shape=_UNKNOWN if output is None else output,
            parameters=weights + others,
            multiply_adds=0 if within else (work or 0) // self._batch,
            weight_bits=(1 if operator.packs_bits else kernels[0].tensor.bits) if kernels else None,
            weights=weights,
            zero_weights=0 if operator.packs_bits or self._only_work else sum(each.zeros() for each in fresh),
            uncounted=work is None or (work > 0 and bool(within)),
            graph=within,
        )

    def _work(self, node: NodeProto, kind: str, operator: Operator, values: Values, output: Shape | None) -> int | None:
        """Multiply-adds of one run; None where they cannot be told."""
        if operator.is_recurrent:
            return self._steps(node, operator, values)
        if operator.work is None:
            is_known = node.domain in STANDARD_DOMAINS or kind in OPERATORS or node.op_type in BINARY_FUNCTIONS
            return 0 if is_known and node.op_type not in UNCOUNTED else None
        left, right = (values.shape(node, position) for position in operator.kernels)
        if not left or not right or output is None:
            return None
        found = operator.work(node, left, right, output)
        return None if not found and -1 in (*left, *right, *output) else found

    def _steps(self, node: NodeProto, operator: Operator, values: Values) -> int | None:
        """Every step of every sequence, or the longest where they differ, is multiplied with all kernels."""
        data, *kernels = (values.shape(node, position) for position in (0, *operator.kernels))
        time_axis = 1 if attribute(node, "layout", 0) else 0
        if data is None or len(data) < 2 or -1 in data[:2] or node.input[0] in self._doubted[time_axis]:
            return None
        sizes = [prod(shape) if shape and -1 not in shape else None for shape in kernels]
        return None if None in sizes else prod(data[:2]) * sum(size or 0 for size in sizes)


def _elements(node: NodeProto, operator: Operator, kernel: Constant) -> int:
    if not operator.packs_bits:
        return kernel.tensor.size
    return prod(kernel.tensor.shape[:-1]) * bit_channels(node, kernel.tensor.shape)


def _kernels(node: NodeProto, operator: Operator, values: Values) -> list[Constant]:
    """The constants among the inputs that kernels come through, with their zero points."""
    kernels = []
    for index, position in enumerate(operator.kernels):
        constant = values.constant(node, position)
        if constant is None or not constant.may_be_kernel:
            continue
        if operator.zero_points:
            zero_point, axis = operator.zero_points[index]
            constant = constant.dequantized(values.constant(node, zero_point), axis)
        kernels.append(constant)
    return kernels


def _others(node: NodeProto, kind: str, operator: Operator, values: Values) -> int:
    """Count biases and the like; in a sum or product a constant of several elements: a scalar is part of a formula.

    A computed scalar is the scale of a dynamic quantization, and what it is multiplied with the kernel's scales.
    """
    constants = [values.constant(node, position) for position in operator.others]
    if kind in ELEMENTWISE:
        computed = [p for p, constant in zip(operator.others, constants, strict=True) if constant is None]
        if len(computed) != 1 or values.shape(node, computed[0]) == ():
            return 0
        constants = [each for each in constants if each and each.is_real and each.tensor.size > 1]
    return sum(constant.tensor.size for constant in constants if constant is not None)


def _name(node: NodeProto, kind: str) -> str:
    name = text(node.name or next((each for each in node.output if each), "")) or kind
    if max(len(name), len(kind)) > MAX_NAME:
        raise ModelFileError(f"It holds a name of {max(len(name), len(kind))} characters; the limit is {MAX_NAME}.")
    return name


def _form(kind: TypeProto) -> tuple[str, Shape | None]:
    """The dtype and shape of a value; other things than tensors have a word for the dtype and no shape."""
    which = kind.WhichOneof("value")
    if which not in {"tensor_type", "sparse_tensor_type"}:
        return (which or "unknown").removesuffix("_type"), None
    tensor = getattr(kind, which)
    try:
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type).name if tensor.elem_type else "unknown"
    except KeyError:
        raise ModelFileError(f"It names the unknown tensor type {tensor.elem_type}.") from None
    if not tensor.HasField("shape"):
        return dtype, None
    if len(tensor.shape.dim) > MAX_RANK:
        raise ModelFileError(f"It names a shape of {len(tensor.shape.dim)} axes; the limit is {MAX_RANK}.")
    lengths = (dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim)
    return "string" if dtype == "object" else dtype, tuple(max(length, -1) for length in lengths)


def _spec(name: str, kind: TypeProto, values: Values) -> TensorSpec:
    dtype, shape = _form(kind)
    return TensorSpec(text(name), shape or (), dtype, values.scheme(name) if "int" in dtype else None)


def _metadata(model: ModelProto) -> dict[str, str]:
    """What the file says about itself, then what it is: producer, opset, version of the format."""
    opsets = (f"{text(each.domain)} {each.version}".strip() for each in model.opset_import)
    return {
        **{text(each.key): text(each.value) for each in model.metadata_props},
        "producer": f"{text(model.producer_name)} {text(model.producer_version)}".strip(),
        "opset": ", ".join(opsets),
        "ir_version": str(model.ir_version),
    }
