"""The activation that TFLite fuses into an operator's result."""

from __future__ import annotations

import numpy as np

from edgecompress.convert.onnx.emission import Emission
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.graph import Operator

_BOUNDS = {"RELU": (0.0, np.inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}


def store_real(emission: Emission, operator: Operator, value: str, *, nchw: bool = False) -> None:
    """Store real numbers as the operator's output, after its fused activation; as codes where it is quantized."""
    emission.store(operator.outputs[0], finish_real(emission, operator, value), nchw=nchw)


def finish_real(emission: Emission, operator: Operator, value: str) -> str:
    """Real numbers in the form in which the operator's output is stored, after its fused activation."""
    output = operator.outputs[0]
    return finish_stored(emission, operator, emission.encode(value, output) if emission.is_quantized(output) else value)


def finish_stored(emission: Emission, operator: Operator, value: str) -> str:
    """The operator's output, in the form in which it is stored, after its fused activation.

    Codes are clamped behind QuantizeLinear: a Relu or Clip in front of it would keep ONNX Runtime from making one
    integer kernel of the operator. Nearly always their range ends where the activation does, and nothing is to do.
    """
    output, activation = operator.outputs[0], operator.options.get("fused_activation_function", "NONE")
    if not emission.is_quantized(output):
        return activate(emission, activation, value)
    if activation == "NONE":
        return value
    scale, zero_point = emission.code_scheme(output)
    low, high = np.clip(np.rint(_bounds(activation) / scale) + zero_point, 0, 255).astype(np.uint8)
    if (low, high) == (0, 255):
        return value
    return emission.node("Clip", value, emission.constant(np.array(low)), emission.constant(np.array(high)))


def activate(emission: Emission, activation: str, value: str) -> str:
    """The activation of real numbers, as the one node that runtimes fuse into the operator in front of it."""
    if activation == "NONE":
        return value
    if activation == "RELU":
        return emission.node("Relu", value)
    if activation == "TANH":
        return emission.node("Tanh", value)
    low, high = (emission.constant(np.array(bound, np.float32)) for bound in _bounds(activation))
    return emission.node("Clip", value, low, high)


def _bounds(activation: str) -> np.ndarray:
    if activation not in _BOUNDS:
        raise ConversionError(f"its fused activation {activation} has no ONNX form")
    return np.array(_BOUNDS[activation], np.float32)
