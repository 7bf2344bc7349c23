"""Sums of signs stay whole numbers where their signs alone are read, so that no rounding turns that of a zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.convert.tflite.binary.matching import DEPTHWISE, BinaryLayer, binary_layers
from edgecompress.convert.tflite.binary.steps import activation_of
from edgecompress.convert.tflite.editor import Editor

COMPARISONS = ("GREATER_EQUAL", "GREATER", "LESS_EQUAL", "LESS")  # with zero
KEEPING = ("MAX_POOL_2D", "RESHAPE")  # for s > 0, f(s x) = s f(x)


def with_whole_sums(content: bytes) -> bytes:
    """Return the float file without the scales of binary kernels that change nothing of what is read.

    The converter folds a batch norm into kernels of signs. `sign(s x + b) = sign(x + b / s)` for s > 0, and x, a sum of
    +-1, is exact in whatever order it is added up; sums of +-s are rounded, and where they should be zero come out on
    either side of it, in each runtime and on each processor otherwise.
    """
    editor = Editor(content)
    layers = [layer for layer in binary_layers(editor) if _is_free(editor, layer)]
    for layer in layers:
        inputs = layer.operator.inputs
        inputs[1] = editor.add_constant(f"{layer.name}/signs", layer.kernel.signs.astype(np.float32))
        if len(inputs) > 2 and inputs[2] >= 0:
            inputs[2] = editor.add_constant(f"{layer.name}/bias", layer.bias / layer.kernel.scales)
    return editor.content() if layers else content


def _is_free(editor: Editor, layer: BinaryLayer) -> bool:
    scales = layer.kernel.scales
    if layer.source is None or layer.bias is None or layer.kind == DEPTHWISE or not (scales > 0).all():
        return False
    if not np.isfinite(layer.bias / scales).all() or activation_of(editor, layer.operator) not in ("", "RELU"):
        return False
    return _signs_alone(editor, int(layer.operator.outputs[0]))


def _signs_alone(editor: Editor, tensor: int) -> bool:
    readers = editor.readers(tensor)
    return tensor not in editor.graph.outputs and bool(readers) and all(_is_sign(editor, tensor, r) for r in readers)


def _is_sign(editor: Editor, tensor: int, reader: Any) -> bool:
    kind = editor.kind(reader)
    if kind in COMPARISONS:
        zero = editor.constant(reader.inputs[1])
        return bool(reader.inputs[0] == tensor and zero is not None and not zero.any())
    if kind in KEEPING:
        return not activation_of(editor, reader) and _signs_alone(editor, int(reader.outputs[0]))
    return kind == "SIGN"
