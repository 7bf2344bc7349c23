"""TFLite to ONNX: the same weights, the same scales, the same inputs and outputs, in standard operators."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgecompress.convert.onnx.check import check_onnx
from edgecompress.convert.onnx.emission import Emission
from edgecompress.convert.onnx.operators import (
    binary,
    choices,
    convolution,
    elementwise,
    indexing,
    matmul,
    pooling,
    quantize,
    reduce,
    resize,
    shape,
)
from edgecompress.errors import ConversionError, UnsupportedModelError
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.formats.tflite.graph import Graph, Operator
from edgecompress.runtimes.engines import precision

OPERATORS: dict[str, Callable[[Emission, Operator], None]] = {
    "CONV_2D": convolution.convolution,
    "DEPTHWISE_CONV_2D": convolution.depthwise_convolution,
    "TRANSPOSE_CONV": convolution.transposed_convolution,
    "FULLY_CONNECTED": matmul.fully_connected,
    "BATCH_MATMUL": matmul.batch_matmul,
    **dict.fromkeys(elementwise.UNARY, elementwise.unary),
    **dict.fromkeys(elementwise.BINARY, elementwise.binary),
    "HARD_SWISH": elementwise.hard_swish,
    "LEAKY_RELU": elementwise.leaky_relu,
    "SOFTMAX": elementwise.softmax,
    "LOG_SOFTMAX": elementwise.softmax,
    "CAST": elementwise.cast,
    **dict.fromkeys(choices.CONDITIONS, choices.condition),
    "SELECT": choices.select,
    "SELECT_V2": choices.select,
    "AVERAGE_POOL_2D": pooling.average_pool,
    "MAX_POOL_2D": pooling.max_pool,
    **dict.fromkeys(reduce.REDUCTIONS, reduce.reduction),
    "ARG_MAX": reduce.arg_max,
    "RESHAPE": shape.reshape,
    "SQUEEZE": shape.reshape,
    "EXPAND_DIMS": shape.reshape,
    "TRANSPOSE": shape.transpose,
    "CONCATENATION": shape.concatenation,
    "PACK": shape.pack,
    "PAD": shape.pad,
    "PADV2": shape.pad,
    "MIRROR_PAD": shape.mirror_pad,
    "TILE": shape.tile,
    "REVERSE_V2": shape.reverse,
    "SPACE_TO_DEPTH": shape.depth_space,
    "DEPTH_TO_SPACE": shape.depth_space,
    "SHAPE": shape.shape_of,
    "STRIDED_SLICE": indexing.strided_slice,
    "SLICE": indexing.plain_slice,
    "SPLIT": indexing.split,
    "SPLIT_V": indexing.split,
    "UNPACK": indexing.unpack,
    "GATHER": indexing.gather,
    "RESIZE_BILINEAR": resize.resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resize.resize_nearest,
    "QUANTIZE": quantize.quantize,
    "DEQUANTIZE": quantize.dequantize,
    "DENSIFY": quantize.densify,
}
CUSTOM_OPERATORS: dict[str, Callable[[Emission, Operator], None]] = {
    "LceQuantize": binary.quantize,
    "LceDequantize": binary.dequantize,
    "LceBconv2d": binary.convolution,
    "LceBMaxPool2d": binary.max_pool,
}
_DTYPES = {"float32", "float16", "int8", "uint8", "int32", "int64", "bool"}
_CONSTANT_DTYPES = _DTYPES | {"int4", "int2"}
_MISFIT = (ArithmeticError, LookupError, TypeError, ValueError)  # what a graph that contradicts itself runs into


def emit_onnx(tflite: bytes, *, metadata: dict[str, str] | None = None) -> bytes:
    """Return an ONNX model that computes what the TFLite model does; `metadata` is written into it as text.

    Inputs and outputs keep their names (with `_` for what ONNX does not allow), NHWC layout, types and scales. Only
    operators of ONNX's own opset 20 are used, integers behind QuantizeLinear and DequantizeLinear, in the forms that
    ONNX Runtime fuses into integer kernels and that round as LiteRT does; binary operators are functions of these,
    which the file carries. A free batch axis becomes the batch that the file states, which is 1. Weights that are int8
    beside float activations (dynamic range) are dequantized, where LiteRT quantizes the activations on the fly: ONNX
    Runtime then is the more exact of the two. On x86 without VNNI, ONNX Runtime's integer kernels saturate unless the
    session option `session.x64quantprecision` is 1, as it is in every session of ours (`runtimes.precision`); a file
    that has such layers says so in its metadata.

    Raises:
        ModelFileError: the bytes are no TFLite file, or a damaged one.
        UnsupportedModelError: control flow, several subgraphs, or an input that has a free axis besides the batch.
        ConversionError: operators without an ONNX form, all of which are named; or the file would break a rule
            (`check_onnx`), which is a fault of ours, or the TFLite file's that contradicts itself.
    """
    graph = parse_graph(tflite)
    _require_fixed_inputs(graph)
    emission = Emission(graph)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        problems = [problem for operator in graph.operators if (problem := _emit(emission, operator))]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise ConversionError(
            f"{len(problems)} of the model's {len(graph.operators)} operators cannot be emitted as ONNX:\n{listed}",
            hint="Replace these operators in the model, or deploy the TFLite file.",
        )
    _require_known_types(graph)
    _require_numbers(emission)
    about = dict(metadata or {}) | ({precision.KEY: precision.WHERE} if _multiplies_codes(emission) else {})
    content = emission.model(about).SerializeToString()
    check_onnx(content)
    return content


def _multiplies_codes(emission: Emission) -> bool:
    """Whether a runtime sums products of 8-bit activations and weights."""
    kinds = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}
    return any(each.kind in kinds and emission.is_quantized(each.inputs[0]) for each in emission.graph.operators)


def _require_known_types(graph: Graph) -> None:
    for index in (*graph.inputs, *graph.outputs):
        tensor = graph.tensors[index]
        if tensor.dtype not in _DTYPES:
            raise UnsupportedModelError(f"The model's input or output '{tensor.name}' is {tensor.dtype}.")


def _require_numbers(emission: Emission) -> None:
    for index in emission.graph.outputs:
        if index in emission.bit_channels:
            raise ConversionError(f"The model's output '{emission.tensor(index).name}' is bits, not numbers.")


def _require_fixed_inputs(graph: Graph) -> None:
    for index in graph.inputs:
        tensor = graph.tensors[index]
        if -1 in tensor.shape_signature[1:]:
            raise UnsupportedModelError(
                f"The input '{tensor.name}' has the shape {tensor.shape_signature}, where only the batch may be free.",
                hint="Convert the model to TFLite with a fixed input shape.",
            )


def _emit(emission: Emission, operator: Operator) -> str:
    """Emit one operator; return what keeps it from being emitted, or nothing."""
    emission.begin(operator)
    problem = _unsupported(emission, operator)
    if not problem:
        try:
            _emitter(emission, operator)(emission, operator)
        except (ConversionError, UnsupportedModelError) as error:
            problem = error.message
        except _MISFIT as error:
            problem = f"its tensors and options do not fit together ({error})"
    if problem:
        for output in operator.outputs:  # what reads them may have problems of its own to tell
            emission.store(output, "missing")
        name = emission.tensor(operator.outputs[0]).name if operator.outputs else ""
        problem = f"{operator.kind} '{name}': {problem}"
    return problem


def _emitter(emission: Emission, operator: Operator) -> Callable[[Emission, Operator], None]:
    if operator.kind == "CUSTOM":
        return CUSTOM_OPERATORS[operator.custom_code]
    if operator.inputs and operator.inputs[0] in emission.bit_channels:
        return binary.reshape
    return OPERATORS[operator.kind]


def _unsupported(emission: Emission, operator: Operator) -> str:
    """Why the kind of operator, or a type of its tensors, has no ONNX form here."""
    if operator.kind == "CUSTOM":
        if operator.custom_code not in CUSTOM_OPERATORS:
            return f"the custom operator {operator.custom_code}; its meaning is known to its runtime only"
    elif operator.kind not in OPERATORS:
        return "it has no ONNX form here"
    elif operator.kind != "RESHAPE" and not emission.bit_channels.keys().isdisjoint(operator.inputs):
        return "it reads bits, which only binary operators and RESHAPE do"
    for index in (*operator.inputs, *operator.outputs):
        if index >= 0:
            tensor = emission.tensor(index)
            if tensor.dtype == "int16":
                return f"'{tensor.name}' is int16, which ONNX Runtime cannot compute in; quantize it to int8"
            if tensor.dtype not in (_DTYPES if tensor.data is None else _CONSTANT_DTYPES):
                return f"'{tensor.name}' is {tensor.dtype}"
    return ""
