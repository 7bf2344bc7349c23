"""TFLite to ONNX: the same weights, scales and layout at the door, in standard operators.

...
"""

from __future__ import annotations

from collections.abc import Callable

from edgecompress.convert.onnx import (
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
from edgecompress.convert.onnx.emission import Emission
from edgecompress.errors import ConversionError, UnsupportedModelError
from edgecompress.formats.tflite import parse_graph
from edgecompress.formats.tflite_graph import Graph, Operator

OPERATORS: dict[str, Callable[[Emission, Operator], None]] = {
    "CONV_2D": convolution.convolution,
    "DEPTHWISE_CONV_2D": convolution.depthwise_convolution,
    "TRANSPOSE_CONV": convolution.transposed_convolution,
    "FULLY_CONNECTED": matmul.fully_connected,
    "BATCH_MATMUL": matmul.batch_matmul,
    **dict.fromkeys(elementwise.UNARY, elementwise.unary),
    **dict.fromkeys(elementwise.BINARY, elementwise.binary),
    "SOFTMAX": elementwise.softmax,
    "LOG_SOFTMAX": elementwise.softmax,
    "CAST": elementwise.cast,
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
    "MIRROR_PAD": shape.pad,
    "SPACE_TO_DEPTH": shape.depth_space,
    "DEPTH_TO_SPACE": shape.depth_space,
    "STRIDED_SLICE": indexing.strided_slice,
    "SLICE": indexing.plain_slice,
    "SPLIT": indexing.split,
    "SPLIT_V": indexing.split,
    "UNPACK": indexing.unpack,
    "GATHER": indexing.gather,
    "RESIZE_BILINEAR": resize.resize,
    "RESIZE_NEAREST_NEIGHBOR": resize.resize,
    "QUANTIZE": quantize.quantize,
    "DEQUANTIZE": quantize.dequantize,
    "DENSIFY": quantize.densify,
}


def emit_onnx(tflite: bytes, *, metadata: dict[str, str] | None = None) -> bytes:
    """Return."""
    graph = parse_graph(tflite)
    emission = Emission(graph)
    for operator in graph.operators:
        emission.begin(operator)
        OPERATORS[operator.kind](emission, operator)
    return emission.model(metadata or {}).SerializeToString()
