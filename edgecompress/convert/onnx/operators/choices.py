"""Comparisons, logic, and choices by them, with NumPy's broadcasting of the NHWC shapes."""

from __future__ import annotations

from edgecompress.convert.onnx.emission import Emission
from edgecompress.convert.onnx.operators.elementwise import runs_in_nchw
from edgecompress.convert.onnx.operators.fused_activation import store_real
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.graph import Operator

_NODES = {
    "EQUAL": "Equal", "NOT_EQUAL": "Equal", "GREATER": "Greater", "GREATER_EQUAL": "GreaterOrEqual", "LESS": "Less",
    "LESS_EQUAL": "LessOrEqual", "LOGICAL_AND": "And", "LOGICAL_OR": "Or", "LOGICAL_NOT": "Not",
}  # fmt: skip
CONDITIONS = tuple(_NODES)


def condition(emission: Emission, operator: Operator) -> None:
    """A comparison of numbers, or logic of conditions."""
    if any(emission.is_quantized(index) for index in operator.inputs):
        raise ConversionError("it compares codes, which LiteRT rounds to a common scale first")
    nchw = runs_in_nchw(emission, operator)
    value = emission.node(_NODES[operator.kind], *(emission.stored(index, nchw=nchw) for index in operator.inputs))
    if operator.kind == "NOT_EQUAL":
        value = emission.node("Not", value)
    emission.store(operator.outputs[0], value, nchw=nchw)


def select(emission: Emission, operator: Operator) -> None:
    """SELECT, SELECT_V2: the second input where the first is true, the third elsewhere."""
    shapes = [emission.tensor(index).shape for index in operator.inputs]
    if operator.kind == "SELECT" and shapes[0] not in (shapes[1], ()):
        raise ConversionError(f"its condition of shape {shapes[0]} chooses among {shapes[1]}")
    nchw = runs_in_nchw(emission, operator)
    chosen, *numbers = operator.inputs
    value = emission.node(
        "Where", emission.stored(chosen, nchw=nchw), *(emission.real(index, nchw=nchw) for index in numbers)
    )
    store_real(emission, operator, value, nchw=nchw)
