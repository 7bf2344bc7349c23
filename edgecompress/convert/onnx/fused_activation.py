"""The activation that TFLite fuses into an operator's result."""

from __future__ import annotations

import numpy as np

from edgecompress.convert.onnx.emission import Emission, is_quantized
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite_graph import Operator

_BOUNDS = {"RELU": (0.0, np.inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0)}


def store_result(emission: Emission, operator: Operator, value: str, *, nchw: bool = False) -> None:
    """Store the real numbers `value` as the operator's output, after its fused activation."""
    emission.store(operator.outputs[0], finish(emission, operator, value), nchw=nchw)


def finish(emission: Emission, operator: Operator, value: str) -> str:
    """Apply the fused activation to the real numbers `value`, quantize them if the output is, and return the result.

    A quantized result is clamped on its codes, behind QuantizeLinear, and only where the range of the type does not do so
    already (it nearly always does): a Relu or Clip in front of QuantizeLinear would keep the runtime from fusing.
    """
    output = operator.outputs[0]
    activation = operator.options.get("fused_activation_function", "NONE")
    if not is_quantized(emission.tensor(output)):
        return activate(emission, activation, value)
    return clamp(emission, operator, emission.encode(value, output))


def clamp(emission: Emission, operator: Operator, codes: str) -> str:
    """Apply the fused activation to the codes of the operator's output."""
    output = operator.outputs[0]
    activation = operator.options.get("fused_activation_function", "NONE")
    if activation == "NONE":
        return codes
    scale, zero_point = emission.code_scheme(output)
    low, high = np.clip(np.rint(_bounds(activation) / scale) + zero_point, 0, 255).astype(np.uint8)
    if (low, high) == (0, 255):
        return codes
    return emission.node("Clip", codes, emission.constant(low), emission.constant(high))


def activate(emission: Emission, activation: str, value: str) -> str:
    """The activation of a float value, as the one node that runtimes fuse into the operator in front of it."""
    if activation == "NONE":
        return value
    if activation == "RELU":
        return emission.node("Relu", value)
    if activation == "TANH":
        return emission.node("Tanh", value)
    low, high = (emission.constant(np.float32(bound)) for bound in _bounds(activation))
    return emission.node("Clip", value, low, high)


def _bounds(activation: str) -> np.ndarray:
    if activation not in _BOUNDS:
        raise ConversionError(f"its fused activation {activation} has no ONNX form here")
    return np.array(_BOUNDS[activation], np.float32)
