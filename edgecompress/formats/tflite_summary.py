"""A `.tflite` file as a list of operators with shapes, counts and bits; see `summary` for how it is counted."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from edgecompress.formats.summary import LayerSummary, ModelSummary
from edgecompress.formats.tflite import read_graph
from edgecompress.formats.tflite_graph import BITS, Graph, Operator, Tensor

# Where the kernel stands among the inputs of the operators that compute with one; other constants are biases.
_KERNEL = {
    "CONV_2D": 1,
    "DEPTHWISE_CONV_2D": 1,
    "FULLY_CONNECTED": 1,
    "TRANSPOSE_CONV": 1,
    "BATCH_MATMUL": 1,
    "PRELU": 1,
}
_BIAS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}


def read_tflite(path: str | Path) -> ModelSummary:
    """Read a `.tflite` file without running it.

    Raises:
        ModelFileError, UnsupportedModelError: as `read_graph` does.
    """
    return summarize(read_graph(path))


def summarize(graph: Graph) -> ModelSummary:
    """Each operator with its kernel (also where the file has it as float16 or sparse); shared constants count once."""
    counted: set[int] = set()
    return ModelSummary(
        format="tflite",
        inputs=tuple(graph.tensors[index].spec for index in graph.inputs),
        outputs=tuple(graph.tensors[index].spec for index in graph.outputs),
        layers=tuple(_layer(graph, operator, counted) for operator in graph.operators),
        metadata={"description": graph.description} | {name: _text(raw) for name, raw in graph.metadata.items()},
    )


def _layer(graph: Graph, operator: Operator, counted: set[int]) -> LayerSummary:
    output = graph.tensors[operator.outputs[0]] if operator.outputs else None
    kernel, bias = (_constant(graph, operator, positions) for positions in (_KERNEL, _BIAS))
    stored = [tensor for tensor in (kernel, bias) if tensor is not None and tensor.index not in counted]
    counted.update(tensor.index for tensor in stored)
    return LayerSummary(
        name=output.name if output else "",
        kind=operator.custom_code if operator.kind == "CUSTOM" else operator.kind,
        output_shape=output.shape_signature if output else (),
        parameters=sum(tensor.size for tensor in stored),
        multiply_adds=_multiply_adds(graph, operator),
        weight_bits=BITS[kernel.dtype] if kernel else None,
        weights=kernel.size if kernel else 0,
        zero_weights=_zeros(kernel) if kernel else 0,
    )


def _constant(graph: Graph, operator: Operator, positions: dict[str, int]) -> Tensor | None:
    position = positions.get(operator.kind, len(operator.inputs))
    if position >= len(operator.inputs) or operator.inputs[position] < 0:
        return None
    tensor = graph.stored_constant(operator.inputs[position])
    return tensor if tensor is not None and tensor.dtype in BITS else None


def _zeros(kernel: Tensor) -> int:
    """Elements that mean exactly 0: the zero point where the kernel is quantized."""
    elements = kernel.dense()
    if kernel.quant is None:
        return elements.size - int(np.count_nonzero(elements))
    zero_points = np.array(kernel.quant.zero_points, elements.dtype)
    if kernel.quant.axis is not None:
        zero_points = zero_points.reshape([-1 if axis == kernel.quant.axis else 1 for axis in range(elements.ndim)])
    return int(np.count_nonzero(elements == zero_points))


def _multiply_adds(graph: Graph, operator: Operator) -> int:
    """Of one input: those of the file's shapes, divided by the batch that they are for."""
    batch = graph.tensors[graph.inputs[0]].shape[:1] if graph.inputs else ()
    shapes = [graph.tensors[index].shape if index >= 0 else () for index in (*operator.inputs, *operator.outputs)]
    return _products(operator, shapes) // max(math.prod(batch), 1)


def _products(operator: Operator, shapes: list[tuple[int, ...]]) -> int:
    if operator.kind not in _KERNEL or len(shapes) < 3:
        return 0
    source, kernel, result = shapes[0], shapes[1], math.prod(shapes[-1])
    if operator.kind == "CONV_2D":
        return result * math.prod(kernel[1:])  # [out, height, width, in]
    if operator.kind == "DEPTHWISE_CONV_2D":
        return result * math.prod(kernel[1:3])  # [1, height, width, out]
    if operator.kind == "TRANSPOSE_CONV":
        return math.prod(shapes[2]) * math.prod(kernel[:3])  # [out, height, width, in], at each input element
    if operator.kind == "FULLY_CONNECTED":
        return result * math.prod(kernel[1:])  # [out, in]
    if operator.kind == "BATCH_MATMUL":
        return result * (source[-2:][0] if operator.options["adj_x"] else source[-1]) if source else 0
    return 0


def _text(raw: bytes) -> str:
    text = raw.rstrip(b"\0").decode("utf-8", "replace")
    return text if text.isprintable() else f"{len(raw)} bytes"
