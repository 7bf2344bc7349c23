"""Biases that the quantizer saturates: those of filters that are zero, or nearly so.

A bias has the scale of its filter times that of the input. Of a filter that was pruned away the quantizer makes a scale
of 1e-11, with which the greatest int32 is 1e-4: a channel that is a constant then is another one. Such a scale is taken
as large as the bias needs, and as XNNPACK does, which leaves an operator alone whose product of scales is below 2^-32
of the output's.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from edgecompress.convert.tflite.editor import Editor
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.formats.tflite.graph import Graph

BIAS_INPUTS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
KERNEL = 1  # which input it is
LARGEST_CODE = 2.0**30  # of a bias: sums of products go on top of it, in int32
LEAST_PRODUCT = 2.0**-31


def with_biases_that_fit(content: bytes, source: bytes) -> bytes:
    """Return the int8 file with scales of zero filters such that its biases are those of the float file `source`."""
    editor, biases = Editor(content), _biases(parse_graph(source))
    by_kernel: dict[int, list[tuple[Any, np.ndarray]]] = {}
    for operator in editor.graph.operators:
        bias = biases.get(editor.name(operator.outputs[0]))
        if bias is not None and editor.kind(operator) in BIAS_INPUTS and _is_int32(editor, _bias(editor, operator)):
            by_kernel.setdefault(operator.inputs[KERNEL], []).append((operator, bias))
    changed = [_widen(editor, kernel, readers) for kernel, readers in by_kernel.items()]
    return editor.content() if any(changed) else content


def _biases(graph: Graph) -> dict[str, np.ndarray]:
    """The constant biases of a float file, by the tensors that their operators compute."""
    found: dict[str, np.ndarray] = {}
    for operator in graph.operators:
        place = BIAS_INPUTS.get(operator.kind)
        if place is not None and place < len(operator.inputs) and operator.inputs[place] >= 0:
            bias = graph.stored_constant(operator.inputs[place])
            if bias is not None:
                found[graph.tensors[operator.outputs[0]].name] = bias.dense().astype(np.float64)
    return found


def _widen(editor: Editor, index: int, readers: list[tuple[Any, np.ndarray]]) -> bool:
    """Give the filters of a kernel scales with which the biases of its operators fit; say whether any changed."""
    codes, kernel = editor.constant(index), editor.graph.tensors[index]
    if codes is None or codes.dtype != np.int8 or kernel.quantization is None:
        return False
    scales = np.array(kernel.quantization.scale, np.float32)
    axis = int(kernel.quantization.quantizedDimension) if len(scales) > 1 else None
    filters = np.moveaxis(codes, axis, 0).reshape(len(scales), -1) if axis is not None else codes.reshape(1, -1)
    needed = np.zeros(len(scales))
    for operator, bias in readers:
        step = _scale(editor, operator.inputs[_input(editor, operator)])
        least = np.maximum(np.abs(bias) / LARGEST_CODE, _scale(editor, operator.outputs[0]) * LEAST_PRODUCT) / step
        needed = np.maximum(needed, least if len(scales) > 1 else least.max())
    full = filters.any(axis=1)
    usual = scales[full].min() if full.any() else np.float32(1 / 127)
    wanted = np.where(full, scales, np.maximum(scales, usual))
    wanted = np.maximum(wanted, needed).astype(np.float32)
    if (wanted == scales).all():
        return False
    shape = [-1 if each == axis else 1 for each in range(codes.ndim)] if axis is not None else [1] * codes.ndim
    smaller = np.rint(codes * (scales / wanted).astype(np.float64).reshape(shape)).astype(np.int8)
    kernel.buffer = editor.graph.tensors[editor.add_constant("codes", smaller)].buffer
    kernel.quantization.scale = wanted
    for operator, bias in readers:
        steps = _scale(editor, operator.inputs[_input(editor, operator)]) * wanted.astype(np.float64)
        old = _bias(editor, operator)
        new = editor.add_constant(editor.name(old), np.rint(bias / steps).astype(np.int32))
        editor.graph.tensors[new].quantization = copy(editor.graph.tensors[old].quantization)  # others may read the old
        editor.graph.tensors[new].quantization.scale = steps.astype(np.float32)
        operator.inputs[BIAS_INPUTS[editor.kind(operator)]] = new
    return True


def _bias(editor: Editor, operator: Any) -> int:
    place = BIAS_INPUTS[editor.kind(operator)]
    return int(operator.inputs[place]) if place < len(operator.inputs) else -1


def _is_int32(editor: Editor, index: int) -> bool:
    """Whether a tensor is a constant of int32; only where inputs and outputs are codes is a bias one."""
    constant = editor.constant(index)
    return constant is not None and constant.dtype == np.int32


def _input(editor: Editor, operator: Any) -> int:
    """Which of an operator's inputs is the one that its kernel is multiplied with."""
    return 2 if editor.kind(operator) == "TRANSPOSE_CONV" else 0


def _scale(editor: Editor, index: int) -> float:
    return float(editor.graph.tensors[index].quantization.scale[0])
