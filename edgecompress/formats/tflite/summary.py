"""A `.tflite` file as a list of operators with shapes, counts and bits; see `summary` for how it is counted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecompress.formats.summary import LayerSummary, ModelSummary, common_batch
from edgecompress.formats.tflite.file import describe_graphs, read_content
from edgecompress.formats.tflite.graph import BITS, Graph, Operator, Tensor
from edgecompress.formats.tflite.known import open_tensors
from edgecompress.formats.tflite.uint8 import what_uint8_costs
from edgecompress.formats.tflite.work import kernel_positions, multiply_adds

# Custom operators whose kernels are signs in words of 32 bits: where these stand; multiplier, bias and threshold.
_BINARY_KERNEL = {"LceBconv2d": 1, "LceDequantize": 0}
_BINARY_OTHERS = {"LceBconv2d": (2, 3, 4)}
_WORD_BITS = 32
_FLOATS_AS_WORDS = {"bfloat16": np.uint16, "float8_e4m3fn": np.uint8, "float8_e5m2": np.uint8}
_INDICES = {"int32", "int64", "uint32", "uint64", "bool"}  # where they are gathered, unless they are quantized


def read_tflite(path: str | Path) -> ModelSummary:
    """Read a `.tflite` file without running it.

    Raises:
        ModelFileError: as `read_graph` does.
    """
    path = Path(path)
    return summarize(*describe_graphs(read_content(path), name=path.name))


def summarize(graphs: Sequence[Graph], doubts: Sequence[str] = ()) -> ModelSummary:
    """Each operator with its kernels (also where the file has them as float16 or sparse); shared constants count once.

    The inputs and outputs are those of the first subgraph that a signature calls, or else of the first. A subgraph that
    no signature calls is the body of a loop or a condition: how often it runs is not known, and its work is uncounted.
    """
    main = next((graph for graph in graphs if graph.signatures), graphs[0])
    read: set[int] = set()  # where in the file the constants lie that were counted: subgraphs may share them
    layers: list[LayerSummary] = []
    for position, graph in enumerate(graphs):
        walk = _Walk(graph, is_called=graph is main or bool(graph.signatures), elsewhere=frozenset(read))
        name = "" if graph is main else graph.name or f"subgraph {position}"
        layers += [walk.layer(operator, name) for operator in graph.operators]
        read |= {_address(graph.tensors[index]) for index in walk.counted}
    texts = {name: _text(raw) for name, raw in graphs[0].metadata.items()}
    return ModelSummary(
        format="tflite",
        inputs=tuple(main.tensors[index].spec for index in main.inputs),
        outputs=tuple(main.tensors[index].spec for index in main.outputs),
        layers=tuple(layers),
        metadata={"description": graphs[0].description} | _signatures(graphs) | texts,
        warnings=(*doubts, *([cost] if (cost := what_uint8_costs(graphs)) else [])),
    )


def _signatures(graphs: Sequence[Graph]) -> dict[str, str]:
    """What an application may call, where it is more than one thing."""
    found = [(graph, each) for graph in graphs for each in graph.signatures]
    if len(found) < 2:
        return {}
    return {
        f"signature {each.key}": f"{', '.join(each.inputs)} -> {', '.join(each.outputs)} in subgraph '{graph.name}'"
        for graph, each in found
    }


class _Walk:
    """Summarizes the operators of one subgraph."""

    def __init__(self, graph: Graph, *, is_called: bool, elsewhere: frozenset[int]) -> None:
        self._graph, self._is_called, self._elsewhere = graph, is_called, elsewhere
        self.counted: set[int] = set()  # tensors
        self._open, self._more = open_tensors(graph)
        self._batch = _batch(graph)

    def layer(self, operator: Operator, graph_name: str) -> LayerSummary:
        """Count one operator."""
        output = self._graph.tensors[operator.outputs[0]] if operator.outputs else None
        is_binary = operator.kind == "CUSTOM" and operator.custom_code in _BINARY_KERNEL
        at: Sequence[int]
        beside: Sequence[int]
        if is_binary:
            at, beside = (_BINARY_KERNEL[operator.custom_code],), _BINARY_OTHERS.get(operator.custom_code, ())
        else:
            at, beside = kernel_positions(operator)
        kernels = [tensor for tensor in self._constants(operator, at) if _is_trained(operator, tensor)]
        others = [tensor for tensor in self._constants(operator, beside) if self._is_first(tensor)]
        sizes = [_signs(self._graph, operator, each.shape) if is_binary else each.size for each in kernels]
        fresh = [size for size, kernel in zip(sizes, kernels, strict=True) if self._is_first(kernel)]
        work = self._work(operator)
        return LayerSummary(
            name=output.name if output else "",
            kind=operator.custom_code if operator.kind == "CUSTOM" else operator.kind,
            output_shape=output.shape_signature if output else (),
            parameters=sum(tensor.size for tensor in others) + sum(fresh),
            multiply_adds=(work or 0) // self._batch if self._is_called else 0,
            weight_bits=(1 if is_binary else BITS[kernels[0].dtype]) if kernels else None,
            weights=sum(sizes),
            zero_weights=0 if is_binary else sum(map(_zeros, kernels)),
            uncounted=work is None or (work > 0 and not self._is_called),
            graph=graph_name,
        )

    def _constants(self, operator: Operator, positions: Sequence[int]) -> list[Tensor]:
        indices = [operator.inputs[each] for each in positions if each < len(operator.inputs)]
        found = [self._graph.stored_constant(index) for index in indices if index >= 0]
        return [tensor for tensor in found if tensor is not None and tensor.dtype in BITS]

    def _is_first(self, tensor: Tensor) -> bool:
        """Whether nothing before has read this constant."""
        is_first = tensor.index not in self.counted and _address(tensor) not in self._elsewhere
        self.counted.add(tensor.index)
        return is_first

    def _work(self, operator: Operator) -> int | None:
        """The multiply-adds of one run; None where they cannot be told."""
        work = self._work_by_shapes(operator)
        if not work:
            return work
        if not self._open.isdisjoint((*operator.inputs, *operator.outputs)):
            return None
        return int(work * self._more.get(operator.outputs[0], 1)) if operator.outputs else work

    def _work_by_shapes(self, operator: Operator) -> int | None:
        tensors = self._graph.tensors
        inputs = [tensors[index].shape if index >= 0 else None for index in operator.inputs]
        output = tensors[operator.outputs[0]].shape if operator.outputs else None
        if operator.kind != "CUSTOM" or operator.custom_code != "LceBconv2d":
            return multiply_adds(operator, inputs, output)
        if output is None or len(inputs) < 2 or inputs[1] is None:
            return None
        return math.prod(output[:-1]) * _signs(self._graph, operator, inputs[1])  # [batch, height, width, out or words]


def _batch(graph: Graph) -> int:
    """How many inputs the shapes of a graph are for."""
    inputs, outputs = ([graph.tensors[index] for index in each] for each in (graph.inputs, graph.outputs))
    if inputs and all(len(each.shape) > 1 and each.shape_signature[0] == -1 for each in inputs):
        return max(1, inputs[0].shape[0])  # a free axis, which has this length in all shapes
    return common_batch([each.shape for each in inputs], [each.shape for each in outputs])


def _is_trained(operator: Operator, kernel: Tensor) -> bool:
    return operator.kind != "GATHER" or kernel.dtype not in _INDICES or kernel.quant is not None


def _address(tensor: Tensor) -> int:
    """Where its bytes lie."""
    return -1 if tensor.data is None else int(tensor.data.__array_interface__["data"][0])


def _signs(graph: Graph, operator: Operator, words: tuple[int, ...]) -> int:
    """How many signs a kernel of words holds: not more than there is room for."""
    if not words:
        return 0
    if operator.custom_code == "LceBconv2d":
        channels = operator.options.get("channels_in", 0)
    else:
        channels = (graph.tensors[operator.outputs[0]].shape or (0,))[-1] if operator.outputs else 0
    return math.prod(words[:-1]) * min(max(channels, 0), words[-1] * _WORD_BITS)


def _zeros(kernel: Tensor) -> int:
    """Elements that mean exactly 0: the zero point where the kernel is quantized."""
    if kernel.dtype in _FLOATS_AS_WORDS and kernel.sparsity is None and kernel.data is not None:
        words = kernel.data.view(_FLOATS_AS_WORDS[kernel.dtype])
        return words.size - int(np.count_nonzero(words << 1))  # without the sign
    elements = kernel.dense()
    if kernel.quant is None:
        return elements.size - int(np.count_nonzero(elements))
    zero_points = np.array(kernel.quant.zero_points, elements.dtype)
    if kernel.quant.axis is not None:
        zero_points = zero_points.reshape([-1 if axis == kernel.quant.axis else 1 for axis in range(elements.ndim)])
    return int(np.count_nonzero(elements == zero_points))


def _text(raw: bytes) -> str:
    text = raw.rstrip(b"\0").decode("utf-8", "replace")
    return text if text.isprintable() else f"{len(raw)} bytes"
