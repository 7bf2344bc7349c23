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
# Custom operators whose kernels are signs in words of 32 bits: where these stand; multiplier, bias and threshold.
_BINARY_KERNEL = {"LceBconv2d": 1, "LceDequantize": 0}
_BINARY_OTHERS = {"LceBconv2d": (2, 3, 4)}
_WORD_BITS = 32


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
    is_binary = operator.kind == "CUSTOM" and operator.custom_code in _BINARY_KERNEL
    if is_binary:
        kernel = _constant(graph, operator, _BINARY_KERNEL[operator.custom_code])
        others = [_constant(graph, operator, each) for each in _BINARY_OTHERS.get(operator.custom_code, ())]
    else:
        kernel = _constant(graph, operator, _KERNEL.get(operator.kind))
        others = [_constant(graph, operator, _BIAS.get(operator.kind))]
    stored = [tensor for tensor in others if tensor is not None and tensor.index not in counted]
    counted.update(tensor.index for tensor in stored)
    weights = 0 if kernel is None else _signs(graph, operator, kernel.shape) if is_binary else kernel.size
    fresh = kernel is not None and kernel.index not in counted
    if kernel is not None:
        counted.add(kernel.index)
    return LayerSummary(
        name=output.name if output else "",
        kind=operator.custom_code if operator.kind == "CUSTOM" else operator.kind,
        output_shape=output.shape_signature if output else (),
        parameters=sum(tensor.size for tensor in stored) + (weights if fresh else 0),
        multiply_adds=_multiply_adds(graph, operator),
        weight_bits=None if kernel is None else 1 if is_binary else BITS[kernel.dtype],
        weights=weights,
        zero_weights=_zeros(kernel) if kernel and not is_binary else 0,
    )


def _constant(graph: Graph, operator: Operator, position: int | None) -> Tensor | None:
    if position is None or position >= len(operator.inputs) or operator.inputs[position] < 0:
        return None
    tensor = graph.stored_constant(operator.inputs[position])
    return tensor if tensor is not None and tensor.dtype in BITS else None


def _signs(graph: Graph, operator: Operator, words: tuple[int, ...]) -> int:
    """How many signs a kernel of words holds: not more than there is room for."""
    if not words:
        return 0
    if operator.custom_code == "LceBconv2d":
        channels = operator.options["channels_in"]
    else:
        channels = (graph.tensors[operator.outputs[0]].shape or (0,))[-1] if operator.outputs else 0
    return math.prod(words[:-1]) * min(max(channels, 0), words[-1] * _WORD_BITS)


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
    if operator.kind == "CUSTOM" and operator.custom_code == "LceBconv2d" and len(shapes) > 2:
        products = math.prod(shapes[-1][:-1]) * _signs(
            graph, operator, shapes[1]
        )  # [batch, height, width, out or words]
    else:
        products = _products(operator, shapes)
    return products // max(math.prod(batch), 1)


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
