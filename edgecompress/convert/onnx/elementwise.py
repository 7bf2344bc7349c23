"""Elementwise operators of one and of two tensors; they run in the layout that their input has already."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgecompress.convert.onnx.emission import Emission, onnx_type
from edgecompress.convert.onnx.fused_activation import activate, store_result
from edgecompress.formats.tflite_graph import Operator

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
    "GELU": lambda e, o, x: e.node("Gelu", x, approximate="tanh" if o.options["approximate"] else "none"),
    "HARD_SWISH": _named("HardSwish"),
    "LEAKY_RELU": lambda e, o, x: e.node("LeakyRelu", x, alpha=o.options["alpha"]),
    "LOG": _named("Log"),
    "LOGISTIC": _named("Sigmoid"),
    "NEG": _named("Neg"),
    "RELU": _bounded("RELU"),
    "RELU6": _bounded("RELU6"),
    "RELU_0_TO_1": _bounded("RELU_0_TO_1"),
    "RELU_N1_TO_1": _bounded("RELU_N1_TO_1"),
    "RSQRT": lambda e, o, x: e.node("Reciprocal", e.node("Sqrt", x)),
    "SIN": _named("Sin"),
    "SQRT": _named("Sqrt"),
    "SQUARE": lambda e, o, x: e.node("Mul", x, x),
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
    store_result(emission, operator, value, nchw=nchw)


def binary(emission: Emission, operator: Operator) -> None:
    """An operator of two tensors, with NumPy's broadcasting of the NHWC shapes."""
    nchw = _run_in_nchw(emission, operator)
    value = emission.node(_BINARY[operator.kind], *(emission.real(index, nchw=nchw) for index in operator.inputs))
    if operator.kind == "SQUARED_DIFFERENCE":
        value = emission.node("Mul", value, value)
    store_result(emission, operator, value, nchw=nchw)


def softmax(emission: Emission, operator: Operator) -> None:
    """SOFTMAX of beta * x and LOG_SOFTMAX, over the channels."""
    source = operator.inputs[0]
    nchw = emission.has_nchw(source)
    value = emission.real(source, nchw=nchw)
    if operator.options.get("beta", 1.0) != 1.0:
        value = emission.node("Mul", value, emission.constant(np.float32(operator.options["beta"])))
    op_type = "Softmax" if operator.kind == "SOFTMAX" else "LogSoftmax"
    store_result(emission, operator, emission.node(op_type, value, axis=1 if nchw else -1), nchw=nchw)


def cast(emission: Emission, operator: Operator) -> None:
    """CAST of the stored elements to another type."""
    nchw = emission.has_nchw(operator.inputs[0])
    value = emission.stored(operator.inputs[0], nchw=nchw)
    value = emission.node("Cast", value, to=onnx_type(emission.tensor(operator.outputs[0])))
    emission.store(operator.outputs[0], value, nchw=nchw)


def _run_in_nchw(emission: Emission, operator: Operator) -> bool:
    """Where an input is channels-first already, and every other one can be: has rank 4, or is a constant."""
    if not emission.has_nchw(*operator.inputs):
        return False
    return all(
        len(emission.tensor(index).shape) == 4 or emission.graph.stored_constant(index) for index in operator.inputs
    )
