"""Operators that treat each element by itself, of one tensor or of two that are broadcast.

Which types LiteRT has a kernel for was measured; the test beside this file measures it again.
"""

from __future__ import annotations

import numpy as np

from edgecompress.convert.tflite.rules.node import (
    MANY,
    SCALE_TOLERANCE,
    Node,
    broadcast,
    require,
    require_codes,
    require_same,
    require_shape,
    require_type,
    rules,
    scheme_of,
    shape_of,
)

_FLOAT, _INTEGERS, _CODES = ("float32",), ("int32", "int64"), ("int8", "int16", "uint8")
UNARY = {
    "ABS": (*_FLOAT, *_INTEGERS, "int8", "int16"),
    "CEIL": _FLOAT,
    "COS": _FLOAT,
    "ELU": (*_FLOAT, "int8"),
    "EXP": (*_FLOAT, "int8", "int16"),
    "FLOOR": _FLOAT,
    "GELU": (*_FLOAT, *_CODES),
    "HARD_SWISH": (*_FLOAT, "int8", "uint8"),
    "LEAKY_RELU": (*_FLOAT, *_CODES),
    "LOG": (*_FLOAT, "int8", "int16"),
    "LOGISTIC": (*_FLOAT, *_CODES),
    "LOG_SOFTMAX": (*_FLOAT, "int8", "uint8"),
    "L2_NORMALIZATION": (*_FLOAT, "int8", "uint8"),
    "NEG": (*_FLOAT, *_INTEGERS, "int8", "int16"),
    "RELU": (*_FLOAT, *_CODES),
    "RELU6": (*_FLOAT, *_CODES),
    "RELU_0_TO_1": (*_FLOAT, "int8", "uint8"),
    "RELU_N1_TO_1": (*_FLOAT, "int8", "uint8"),
    "ROUND": _FLOAT,
    "RSQRT": (*_FLOAT, "int8", "int16"),
    "SIGN": (*_FLOAT, "int32"),
    "SIN": _FLOAT,
    "SOFTMAX": (*_FLOAT, *_CODES),
    "SQRT": (*_FLOAT, "int8", "int16"),
    "SQUARE": _FLOAT,
    "TANH": (*_FLOAT, *_CODES),
}
BINARY = {
    "ADD": (*_FLOAT, *_INTEGERS, *_CODES),
    "SUB": (*_FLOAT, *_INTEGERS, *_CODES),
    "MUL": (*_FLOAT, *_INTEGERS, *_CODES),
    "DIV": (*_FLOAT, "int32", *_CODES),
    "MAXIMUM": (*_FLOAT, *_INTEGERS, *_CODES),
    "MINIMUM": (*_FLOAT, *_INTEGERS, *_CODES),
    "POW": (*_FLOAT, "int32"),
    "PRELU": (*_FLOAT, *_CODES),
    "SQUARED_DIFFERENCE": (*_FLOAT, "int32", "int8"),
}
# The results that always have one range: what a code of each type is then, as (scale, zero point).
FIXED = {
    "SOFTMAX": {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (1 / 32768, 0)},
    "LOGISTIC": {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (1 / 32768, 0)},
    "TANH": {"int8": (1 / 128, 0), "uint8": (1 / 128, 128), "int16": (1 / 32768, 0)},
    "LOG_SOFTMAX": {"int8": (16 / 256, 127), "uint8": (16 / 256, 255)},
    "L2_NORMALIZATION": {"int8": (1 / 128, 0), "uint8": (1 / 128, 128)},
}
_POWER_OF_TWO_OCTAVES = 1e-3  # so far from a power of two is one to LiteRT
_ONE_SCALE = ("MAXIMUM", "MINIMUM")  # compare codes as they are


def _types(node: Node) -> None:
    """One type for all, that of the first input, which there is a kernel for."""
    kind, first = node.operator.kind, node.input(0)
    require_type(first, UNARY.get(kind) or BINARY[kind], "its input")
    for tensor in (*(node.input(place) for place in range(len(node.inputs))), node.output):
        require(tensor.dtype == first.dtype, f"'{tensor.name}' is {tensor.dtype} where '{first.name}' is {first.dtype}")
        require_codes(tensor, f"'{tensor.name}'")


def _scales(node: Node) -> None:
    kind, output = node.operator.kind, node.output
    if kind in _ONE_SCALE:
        require_same(output, node.input(0), node.input(1))
    fixed = FIXED.get(kind, {}).get(output.dtype)
    if fixed is None or output.quant is None:
        return
    close = np.isclose(output.quant.scales[0], fixed[0], rtol=SCALE_TOLERANCE, atol=0)
    require(
        bool(close) and output.quant.zero_points[0] == fixed[1],
        f"its output has {scheme_of(output)}; {fixed[0]:g} and {fixed[1]} are expected",
    )


def _powers_of_two(node: Node) -> None:
    """What the kernel that shifts codes of 16 bits takes, where an operator is left to it."""
    if node.output.dtype != "int16" or not node.option("pot_scale_int16"):
        return
    quants = [node.input(0).quant, node.input(1).quant, node.output.quant]
    octaves = np.log2([quant.scales[0] for quant in quants if quant is not None])
    if np.any(np.abs(octaves - np.round(octaves)) >= _POWER_OF_TWO_OCTAVES):
        return
    *shifts, _ = np.round(octaves) - np.round(octaves[-1])
    require(
        min(shifts) <= 0 == max(shifts),
        f"its scales are powers of two, its inputs' {shifts[0]:g} and {shifts[1]:g} octaves above its output's; "
        "one 0 and none above it are expected with pot_scale_int16",
    )


def _together(node: Node) -> None:
    require_shape(node.output, broadcast(*(node.input(place) for place in range(len(node.inputs)))))


def _sum_types(node: Node) -> None:
    first = node.input(0)
    require_type(first, (*_FLOAT, "int32"), "its input")
    require_same(first, *(node.input(place) for place in range(len(node.inputs))), node.output)


def _sum_shapes(node: Node) -> None:
    for place in range(len(node.inputs)):
        require_shape(node.output, shape_of(node.input(place)))


RULES = {
    **dict.fromkeys(UNARY, rules(1, _types, _scales, _together)),
    **dict.fromkeys(BINARY, rules(2, _types, _scales, _together)),
    **dict.fromkeys(("ADD", "SUB"), rules(2, _types, _scales, _powers_of_two, _together)),
    "ADD_N": rules(range(1, MANY), _sum_types, _sum_shapes),
}
