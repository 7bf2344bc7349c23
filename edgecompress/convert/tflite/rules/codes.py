"""Operators between types: numbers to codes and back, casts, and kernels that are stored sparsely."""

from __future__ import annotations

from edgecompress.convert.tflite.rules.node import (
    QUANTIZED,
    Node,
    require,
    require_codes,
    require_shape,
    require_type,
    rules,
    shape_of,
)

_QUANTIZED_TO = ("int8", "uint8", "int16", "int32")


def _quantized(node: Node) -> None:
    source, output = node.input(0), node.output
    require_type(source, ("float32", *_QUANTIZED_TO), "its input")
    require_type(output, _QUANTIZED_TO, "its output")
    for tensor, what in ((source, "its input"), (output, "its output")):
        require_codes(tensor, what)
        require(tensor.dtype == "float32" or tensor.quant is not None, f"{what} is {tensor.dtype} without a scale")


def _dequantized(node: Node) -> None:
    source = node.input(0)
    require_type(source, (*QUANTIZED, "float16", "int32"), "its input")
    require_type(node.output, ("float32",), "its output")
    require(source.dtype == "float16" or source.quant is not None, f"its input is {source.dtype} without a scale")


def _unfolded(node: Node) -> None:
    require(node.input(0).data is not None, "its input is no constant")
    require_type(node.output, (node.input(0).dtype,), "its output")


def _like(node: Node) -> None:
    require_shape(node.output, shape_of(node.input(0)))


RULES = {
    "QUANTIZE": rules(1, _quantized, _like),
    "DEQUANTIZE": rules(1, _dequantized, _like),
    "CAST": rules(1, _like),
    "DENSIFY": rules(1, _unfolded, _like),
}
