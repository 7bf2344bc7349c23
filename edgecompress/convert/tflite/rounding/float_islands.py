"""Operators that the quantizer leaves in float between codes, though LiteRT computes them in codes.

Its table has no LEAKY_RELU, TILE and REVERSE_V2, so that it writes DEQUANTIZE, LEAKY_RELU, QUANTIZE. LiteRT's kernel
of the first takes any scales; those of the others only move codes, so that codes behind may have to be quantized anew.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from edgecompress.convert.tflite.editor import Editor

ANY_SCALES = {"LEAKY_RELU": 2}  # with int8 kernels whose input and output have scales of their own: since which version
ONE_SCALE = {"TILE": 3, "REVERSE_V2": 3}  # with int8 kernels that move codes as they are


def without_islands(content: bytes) -> bytes:
    """Return the int8 file with each such operator on the codes in front of it and behind it."""
    editor = Editor(content)
    changed = False
    for operator in list(editor.graph.operators):
        kind = editor.kind(operator)
        version = ANY_SCALES.get(kind) or ONE_SCALE.get(kind)
        if version and _in_codes(editor, operator, one_scale=kind in ONE_SCALE):
            code = editor.model.operatorCodes[operator.opcodeIndex]
            code.version, changed = max(code.version, version), True
    return editor.content() if changed else content


def _in_codes(editor: Editor, operator: Any, *, one_scale: bool) -> bool:
    """Connect an operator to the codes around it; say whether there are such on both sides, of one scale behind."""
    (source, *others), (output,) = operator.inputs, operator.outputs
    before, readers = editor.producer(source), editor.readers(output)
    if before is None or editor.kind(before) != "DEQUANTIZE" or output in editor.graph.outputs:
        return False
    if not readers or any(editor.kind(reader) != "QUANTIZE" for reader in readers):
        return False
    codes = [reader.outputs[0] for reader in readers]
    if len({_scheme(editor, index) for index in codes}) != 1:
        return False
    operator.inputs = [before.inputs[0], *others]
    if one_scale and _scheme(editor, before.inputs[0]) != _scheme(editor, codes[0]):
        given, moved = editor.graph.tensors[before.inputs[0]], editor.graph.tensors[output]
        moved.type, moved.quantization = given.type, deepcopy(given.quantization)
        return True
    operator.outputs = [codes[0]]
    for other in codes[1:]:
        for reader in editor.readers(other):
            reader.inputs = [codes[0] if index == other else index for index in reader.inputs]
    editor.graph.tensors[codes[0]].name = editor.name(output)
    for reader in readers:
        editor.replace(reader, [])
    return True


def _scheme(editor: Editor, index: int) -> tuple[float, int, int]:
    tensor = editor.graph.tensors[index]
    return float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0]), int(tensor.type)
