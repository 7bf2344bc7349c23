"""Which operators of a float TFLite graph are binary layers: kernels of +-alpha, and inputs that are signs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.convert.tflite.binary.steps import activation_of
from edgecompress.convert.tflite.editor import Editor

CONVOLUTION, DEPTHWISE, DENSE = "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"
KINDS = (CONVOLUTION, DEPTHWISE, DENSE)


@dataclass(frozen=True, eq=False)
class Signs:
    """A kernel as signs and scales: `kernel = scale * sign`, a scale for each filter."""

    signs: np.ndarray  # int8 +-1, O x H x W x I; 1 x H x W x C of a depthwise convolution, O x I of a dense layer
    scales: np.ndarray  # float32, not negative

    @property
    def products(self) -> int:
        """How many products a sum has."""
        return self.signs.size // self.scales.size


@dataclass(frozen=True)
class Padding:
    """What a PAD operator adds around an image."""

    pads: tuple[int, int, int, int]  # top, left, bottom, right
    value: float


@dataclass(frozen=True, eq=False)
class BinaryLayer:
    """An operator with a binary kernel, and where its inputs come from."""

    operator: Any
    kind: str
    name: str  # of the tensor that it computes
    kernel_name: str  # which still tells of the layer where the other is the name of an output of the model
    kernel: Signs
    bias: np.ndarray | None  # None where it is no float32 constant
    source: int | None  # the tensor whose signs are its inputs; None where they are real
    padding: Padding | None = None  # between the signs and the operator


def binary_layers(editor: Editor) -> list[BinaryLayer]:
    """Return every operator whose kernel holds, filter by filter, one magnitude with either sign."""
    found = []
    for operator in editor.graph.operators:
        kind = editor.kind(operator)
        kernel = split_kernel(editor.constant(operator.inputs[1]), kind) if kind in KINDS else None
        if kernel is not None:
            found.append(_layer(editor, operator, kind, kernel))
    return found


def split_kernel(kernel: np.ndarray | None, kind: str) -> Signs | None:
    """Return a float32 kernel as signs and scales, or None where a filter holds several magnitudes.

    A filter of a single weight holds one magnitude always, and one without both signs is an average: neither tells of
    a binary layer.
    """
    if kernel is None or kernel.dtype != np.float32 or not kernel.size:
        return None
    axes = tuple(range(kernel.ndim - 1)) if kind == DEPTHWISE else tuple(range(1, kernel.ndim))
    scales = np.abs(kernel).max(axes)
    wide = scales if kind == DEPTHWISE else scales.reshape(-1, *[1] * (kernel.ndim - 1))
    if (
        kernel.size == scales.size
        or not (kernel.min() < 0 < kernel.max())
        or not (np.abs(kernel) == wide).all()
        or not np.isfinite(scales).all()
    ):
        return None
    return Signs(np.where(kernel < 0, -1, 1).astype(np.int8), scales)


def _layer(editor: Editor, operator: Any, kind: str, kernel: Signs) -> BinaryLayer:
    tensor, padding = operator.inputs[0], None
    before = editor.producer(tensor)
    if before is not None and kind == CONVOLUTION and editor.kind(before) in ("PAD", "PADV2"):
        padding = _padding(editor, before)
        tensor = before.inputs[0] if padding else tensor
    source = sign_source(editor, tensor, through_reshape=kind == DENSE) if kind != DEPTHWISE else None
    return BinaryLayer(
        operator=operator,
        kind=kind,
        name=editor.name(operator.outputs[0]),
        kernel_name=editor.name(operator.inputs[1]),
        kernel=kernel,
        bias=_bias(editor, operator, kernel.scales.size),
        source=source,
        padding=padding if source is not None else None,
    )


def _bias(editor: Editor, operator: Any, filters: int) -> np.ndarray | None:
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return np.zeros(filters, np.float32)
    bias = editor.constant(operator.inputs[2])
    return bias.reshape(-1) if bias is not None and bias.dtype == np.float32 and bias.size == filters else None


def _padding(editor: Editor, operator: Any) -> Padding | None:
    amounts = editor.constant(operator.inputs[1])
    value = editor.constant(operator.inputs[2]) if len(operator.inputs) > 2 else np.zeros(1, np.float32)
    if amounts is None or value is None or amounts.shape != (4, 2) or amounts[[0, 3]].any():
        return None
    (top, bottom), (left, right) = amounts[1].tolist(), amounts[2].tolist()
    return Padding((top, left, bottom, right), float(value.reshape(-1)[0]))


def sign_source(editor: Editor, tensor: int, *, through_reshape: bool = False) -> int | None:
    """Return x where the tensor is sign(x), with sign(0) = 1, or a reshaped sign(x); None where it is anything else.

    The forms are where(x >= 0, 1, -1), where(x < 0, -1, 1), and sign(sign(x) + c) with c between 0 and 1. x is
    float32, and no constant makes more of it by its shape.
    """
    source = _signed(editor, tensor, through_reshape=through_reshape)
    if source is None or not editor.is_float(source):
        return None
    before, after = editor.shape(source), editor.shape(tensor)
    same = math.prod(before) == math.prod(after) if through_reshape else before == after
    return source if same else None


def _signed(editor: Editor, tensor: int, *, through_reshape: bool) -> int | None:
    operator = editor.producer(tensor)
    if operator is not None and through_reshape and editor.kind(operator) == "RESHAPE":
        operator = editor.producer(operator.inputs[0])
    kind = editor.kind(operator) if operator is not None else ""
    if operator is not None and kind in ("SELECT", "SELECT_V2"):
        condition = editor.producer(operator.inputs[0])
        if condition is not None and through_reshape and editor.kind(condition) == "RESHAPE":
            condition = editor.producer(condition.inputs[0])  # the converter flattens what is smallest
        wanted = {"GREATER_EQUAL": (1, -1), "LESS": (-1, 1)}.get(editor.kind(condition)) if condition else None
        if condition is None or wanted is None or not _all(editor, condition.inputs[-1], 0):
            return None
        chosen = zip(operator.inputs[1:], wanted, strict=True)
        return int(condition.inputs[0]) if all(_all(editor, index, value) for index, value in chosen) else None
    if operator is not None and kind == "SIGN":
        shifted = editor.producer(operator.inputs[0])
        if shifted is not None and editor.kind(shifted) == "ADD" and not activation_of(editor, shifted):
            return _shifted_sign(editor, shifted)
    return None


def _shifted_sign(editor: Editor, addition: Any) -> int | None:
    for index, other in (addition.inputs, addition.inputs[::-1]):
        inner, shift = editor.producer(index), editor.constant(other)
        if inner is None or shift is None or editor.kind(inner) != "SIGN":
            continue
        if ((shift > 0) & (shift < 1)).all():
            return int(inner.inputs[0])
    return None


def _all(editor: Editor, index: int, value: float) -> bool:
    constant = editor.constant(index)
    return constant is not None and constant.size > 0 and bool((constant == value).all())
