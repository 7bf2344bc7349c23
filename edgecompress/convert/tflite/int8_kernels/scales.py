"""Int8 kernels beside those of the float file that they were made of, and other scales for their filters."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.convert.tflite.editor import Editor
from edgecompress.formats.tflite.graph import Graph

BIAS_INPUTS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
KERNEL = 1  # which input it is


@dataclass(frozen=True, eq=False)
class Reader:
    """An operator that computes with an int8 kernel: the scales of its input and output, and its bias in float."""

    operator: Any
    input_scale: float
    output_scale: float
    bias: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Int8Kernel:
    """A kernel of codes with a scale, or one a filter, what it was in float, and the operators that read it."""

    index: int
    codes: np.ndarray
    source: np.ndarray
    scales: np.ndarray
    axis: int | None  # of the filters
    readers: tuple[Reader, ...]

    def by_filter(self, array: np.ndarray) -> np.ndarray:
        """Return an array of the kernel's shape as a row for each scale."""
        count = len(self.scales)
        return np.moveaxis(array, self.axis, 0).reshape(count, -1) if self.axis is not None else array.reshape(1, -1)

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Return a value for each scale in a shape that fits the kernel's."""
        return values.reshape([-1 if each == self.axis else 1 for each in range(self.codes.ndim)])


def int8_kernels(editor: Editor, source: Graph) -> Iterator[Int8Kernel]:
    """Yield the kernels of an int8 file whose biases are int32 or none, beside those of the float file `source`."""
    floats = {source.tensors[each.outputs[0]].name: each for each in source.operators if each.kind in BIAS_INPUTS}
    readers: dict[int, list[Reader]] = {}
    kernels: dict[int, np.ndarray] = {}
    for operator in editor.graph.operators:
        made_of = floats.get(editor.name(operator.outputs[0]))
        kind = editor.kind(operator)
        if made_of is None or kind not in BIAS_INPUTS or not _is_int8(editor, operator):
            continue
        constant = source.stored_constant(made_of.inputs[KERNEL])
        if constant is None:
            continue
        kernels[operator.inputs[KERNEL]] = constant.dense().astype(np.float64)
        place = BIAS_INPUTS[kind]
        has_bias = place < len(made_of.inputs) and made_of.inputs[place] >= 0
        bias = source.stored_constant(made_of.inputs[place]) if has_bias else None
        readers.setdefault(operator.inputs[KERNEL], []).append(
            Reader(
                operator,
                _scale(editor, operator.inputs[2 if kind == "TRANSPOSE_CONV" else 0]),
                _scale(editor, operator.outputs[0]),
                bias.dense().astype(np.float64) if bias is not None else None,
            )
        )
    for index, found in readers.items():
        codes, quantization = editor.constant(index), editor.graph.tensors[index].quantization
        if codes is not None and codes.dtype == np.int8 and quantization is not None:
            scales = np.array(quantization.scale, np.float32)
            axis = int(quantization.quantizedDimension) if len(scales) > 1 else None
            yield Int8Kernel(index, codes, kernels[index], scales, axis, tuple(found))


def rescale(editor: Editor, kernel: Int8Kernel, scales: np.ndarray, codes: np.ndarray) -> None:
    """Give a kernel these scales and codes, and the biases of its operators the scales that follow."""
    tensor = editor.graph.tensors[kernel.index]
    tensor.buffer = editor.graph.tensors[editor.add_constant("codes", codes.astype(np.int8))].buffer
    tensor.quantization.scale = scales.astype(np.float32)
    for reader in kernel.readers:
        place = BIAS_INPUTS[editor.kind(reader.operator)]
        old = _bias(editor, reader.operator)
        if reader.bias is None or old < 0:
            continue
        steps = reader.input_scale * scales.astype(np.float64)
        new = editor.add_constant(editor.name(old), np.rint(reader.bias / steps).astype(np.int32))
        editor.graph.tensors[new].quantization = copy(editor.graph.tensors[old].quantization)  # others may read the old
        editor.graph.tensors[new].quantization.scale = steps.astype(np.float32)
        reader.operator.inputs[place] = new


def _is_int8(editor: Editor, operator: Any) -> bool:
    """Whether inputs and outputs are codes: the bias, if there is one, is then a constant of int32."""
    index = _bias(editor, operator)
    if index < 0:
        found = [editor.graph.tensors[each].quantization for each in (operator.inputs[0], operator.outputs[0])]
        return all(each is not None and each.scale is not None and len(each.scale) == 1 for each in found)
    constant = editor.constant(index)
    return constant is not None and constant.dtype == np.int32


def _bias(editor: Editor, operator: Any) -> int:
    place = BIAS_INPUTS[editor.kind(operator)]
    return int(operator.inputs[place]) if place < len(operator.inputs) else -1


def _scale(editor: Editor, index: int) -> float:
    return float(editor.graph.tensors[index].quantization.scale[0])
