"""Which operators of a TFLite graph are steps of a chain: what they do to each channel by itself, and only that."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.convert.tflite.editor import Editor
from edgecompress.numerics.channel_chain import Step, channel_step

_FUNCTIONS: dict[str, np.ufunc] = {
    "MUL": np.multiply, "ADD": np.add, "SUB": np.subtract, "DIV": np.divide,
    "MAXIMUM": np.maximum, "MINIMUM": np.minimum,
}  # fmt: skip
# The activations that are operators of their own as well as fused into others, as steps with one number.
_BOUNDS: dict[str, tuple[tuple[np.ufunc, float], ...]] = {
    "RELU": ((np.maximum, 0.0),),
    "RELU6": ((np.maximum, 0.0), (np.minimum, 6.0)),
    "RELU_N1_TO_1": ((np.maximum, -1.0), (np.minimum, 1.0)),
    "RELU_0_TO_1": ((np.maximum, 0.0), (np.minimum, 1.0)),
}


def steps_of(editor: Editor, operator: Any, value: int) -> tuple[Step, ...]:
    """Return what an operator does to a tensor that it reads, before its fused activation; nothing where it is no step.

    Which operand the constant is and how it is broadcast is looked at; a tensor that is read twice is no step.
    """
    kind, channels = editor.kind(operator), editor.shape(value)[-1]
    if kind in _BOUNDS:
        return activation_steps(kind, channels)
    if kind == "NEG":
        return (_uniform(np.multiply, -1.0, channels),)
    if kind not in _FUNCTIONS or len(operator.inputs) != 2 or operator.inputs.count(value) != 1:
        return ()
    swapped = operator.inputs[1] == value
    step = channel_step(
        _FUNCTIONS[kind],
        editor.constant(operator.inputs[0 if swapped else 1]),
        rank=len(editor.shape(value)),
        axis=-1,
        channels=channels,
        swapped=swapped,
    )
    return () if step is None else (step,)


def activation_of(editor: Editor, operator: Any) -> str:
    """The name of an operator's fused activation, "" where it has none."""
    code = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
    names = vars(editor.schema.ActivationFunctionType).items()
    name = next((name for name, value in names if value == code), f"number {code}")
    return "" if name == "NONE" else name


def is_operator(activation: str) -> bool:
    """Whether a fused activation can also be an operator of its own; so can none."""
    return not activation or activation in _BOUNDS


def activation_steps(activation: str, channels: int) -> tuple[Step, ...]:
    """The steps of a fused activation that can be an operator of its own."""
    return tuple(_uniform(function, bound, channels) for function, bound in _BOUNDS.get(activation, ()))


def _uniform(function: np.ufunc, number: float, channels: int) -> Step:
    return Step(function, np.full(channels, number, np.float32))
