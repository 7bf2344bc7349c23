"""Elementwise operators of one and of two tensors; they run in the layout that an input has already."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from edgecompress.convert.onnx.emission import Emission, onnx_type
from edgecompress.convert.onnx.litert.hard_swish import hard_swish_scale, hard_swish_table
from edgecompress.convert.onnx.litert.sum import Codes, sum_like_litert
from edgecompress.convert.onnx.operators.fused_activation import activate, store_real
from edgecompress.convert.onnx.operators.quantize import requantized
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.graph import Operator

_Build = Callable[[Emission, Operator, str], str]


def _named(op_type: str) -> _Build:
    return lambda emission, operator, value: emission.node(op_type, value)


def _bounded(activation: str) -> _Build:
    return lambda emission, operator, value: activate(emission, activation, value)


_UNARY: dict[str, _Build] = {
    "ABS": _named("Abs"),
    "CEIL": _named("Ceil"),
    "COS": _named("Cos"),
    "ELU": _named("Elu"),
    "EXP": _named("Exp"),
    "FLOOR": _named("Floor"),
    "GELU": lambda e, operator, x: e.node("Gelu", x, approximate="tanh" if operator.options["approximate"] else "none"),
    "LOG": _named("Log"),
    "LOGISTIC": _named("Sigmoid"),
    "NEG": _named("Neg"),
    "RELU": _bounded("RELU"),
    "RELU6": _bounded("RELU6"),
    "RELU_0_TO_1": _bounded("RELU_0_TO_1"),
    "RELU_N1_TO_1": _bounded("RELU_N1_TO_1"),
    "RSQRT": lambda e, operator, x: e.node("Reciprocal", e.node("Sqrt", x)),
    "SIGN": _named("Sign"),
    "SIN": _named("Sin"),
    "SQRT": _named("Sqrt"),
    "SQUARE": lambda e, operator, x: e.node("Mul", x, x),
    "TANH": _named("Tanh"),
}
_BINARY = {
    "ADD": "Add",
    "DIV": "Div",
    "MAXIMUM": "Max",
    "MINIMUM": "Min",
    "MUL": "Mul",
    "POW": "Pow",
    "PRELU": "PRelu",
    "SQUARED_DIFFERENCE": "Sub",
    "SUB": "Sub",
}
UNARY, BINARY = tuple(_UNARY), tuple(_BINARY)


def unary(emission: Emission, operator: Operator) -> None:
    """An operator of one tensor."""
    nchw = emission.has_nchw(operator.inputs[0])
    value = _UNARY[operator.kind](emission, operator, emission.real(operator.inputs[0], nchw=nchw))
    store_real(emission, operator, value, nchw=nchw)


def leaky_relu(emission: Emission, operator: Operator) -> None:
    """LEAKY_RELU: x where it is positive, alpha * x elsewhere."""
    source, output, alpha = operator.inputs[0], operator.outputs[0], operator.options["alpha"]
    nchw = emission.has_nchw(source)
    if emission.is_quantized(output):
        value = requantized(emission, source, output, nchw=nchw, alpha=alpha)
    else:
        value = emission.node("LeakyRelu", emission.real(source, nchw=nchw), alpha=alpha)
    emission.store(output, value, nchw=nchw)


def hard_swish(emission: Emission, operator: Operator) -> None:
    """HARD_SWISH: x * min(max(x + 3, 0), 6) / 6."""
    source, output = operator.inputs[0], operator.outputs[0]
    nchw = emission.has_nchw(source)
    if not emission.is_quantized(output):
        emission.store(output, emission.node("HardSwish", emission.real(source, nchw=nchw)), nchw=nchw)
        return
    codes = emission.stored(source, nchw=nchw)
    schemes = Codes(*emission.code_scheme(source)), Codes(*emission.code_scheme(output))
    scale = hard_swish_scale(*schemes)
    if scale is None:  # one in ten; exact, but three times slower
        table = emission.constant(hard_swish_table(*schemes))
        value = emission.node("Gather", table, emission.node("Cast", codes, to=TensorProto.INT32))
    else:
        value = emission.encode(emission.node("HardSwish", emission.decode(codes, source, scale=scale)), output)
    emission.store(output, value, nchw=nchw)


def binary(emission: Emission, operator: Operator) -> None:
    """An operator of two tensors, with NumPy's broadcasting of the NHWC shapes."""
    nchw = runs_in_nchw(emission, operator)
    value = emission.node(_BINARY[operator.kind], *_sides(emission, operator, nchw))
    if operator.kind == "SQUARED_DIFFERENCE":
        value = emission.node("Mul", value, value)
    store_real(emission, operator, value, nchw=nchw)


def _sides(emission: Emission, operator: Operator, nchw: bool) -> list[str]:
    """The real numbers of both inputs; those of a quantized ADD by scales that sum as LiteRT does."""
    inputs = operator.inputs
    if operator.kind != "ADD" or not emission.is_quantized(operator.outputs[0]):
        return [emission.real(index, nchw=nchw) for index in inputs]
    first, second, output = (Codes(*emission.code_scheme(index)) for index in (*inputs, operator.outputs[0]))
    form = sum_like_litert(first, second, output)
    sides = [
        emission.decode(emission.stored(index, nchw=nchw), index, scale=float(scale))
        for index, scale in zip(inputs, (form.first_scale, form.second_scale), strict=True)
    ]
    return sides[::-1] if form.swapped else sides


def runs_in_nchw(emission: Emission, operator: Operator) -> bool:
    """Where an input is channels-first already and the others can be: they have rank 4, or are constants."""
    return emission.has_nchw(*operator.inputs) and all(
        len(emission.tensor(index).shape) == 4 or emission.graph.stored_constant(index) for index in operator.inputs
    )


def softmax(emission: Emission, operator: Operator) -> None:
    """SOFTMAX of beta * x, and LOG_SOFTMAX, over the channels."""
    source, beta = operator.inputs[0], operator.options.get("beta", 1.0)
    nchw = emission.has_nchw(source)
    value = emission.real(source, nchw=nchw)
    if beta != 1:
        value = emission.node("Mul", value, emission.constant(np.array(beta, np.float32)))
    op_type = "Softmax" if operator.kind == "SOFTMAX" else "LogSoftmax"
    store_real(emission, operator, emission.node(op_type, value, axis=1 if nchw else -1), nchw=nchw)


def cast(emission: Emission, operator: Operator) -> None:
    """CAST of plain numbers to another type."""
    source, output = operator.inputs[0], operator.outputs[0]
    if emission.is_quantized(source) or emission.is_quantized(output):
        raise ConversionError("it casts codes without their scale")
    nchw = emission.has_nchw(source)
    value = emission.node("Cast", emission.stored(source, nchw=nchw), to=onnx_type(emission.tensor(output)))
    emission.store(output, value, nchw=nchw)
