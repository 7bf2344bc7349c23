"""Outputs that are more than outputs: tensors that operators read on, inputs, and tensors that are an output twice.

ai-edge-quantizer gives an output one type and one scale, whoever else reads it. So taps are taken off before a file is
quantized, and put back behind it, each read from the tensor that was left: in float32, as every output is.
"""

from __future__ import annotations

import numpy as np

from edgecompress.convert.tflite.editor import Editor
from edgecompress.errors import ConversionError

_PARTING = {"SPLIT": 1, "SPLIT_V": 0, "UNPACK": 0}  # operators that part a tensor, and which input that is
Taps = tuple[int | str, ...]  # where each output comes from: a place among those that were left, or a tensor's name


def take_off(content: bytes) -> tuple[bytes, Taps]:
    """Return the file without the outputs that are taps, and where all of its outputs come from.

    Raises:
        ConversionError: the outputs are inputs, so that none would be left.
    """
    editor = Editor(content)
    graph = editor.graph
    left: list[int] = []
    taps: list[int | str] = []
    for index in graph.outputs:
        if index in graph.inputs or editor.readers(index):
            taps.append(editor.name(index))
        else:
            if index not in left:
                left.append(index)
            taps.append(left.index(index))
    if left == graph.outputs:
        return content, tuple(taps)
    if not left:
        names = ", ".join(f"'{editor.name(index)}'" for index in dict.fromkeys(graph.outputs))
        raise ConversionError(
            f"The model's outputs are its inputs, {names}: there is nothing to quantize.", hint="Emit it in float32."
        )
    graph.outputs = left
    for signature in editor.model.signatureDefs or []:
        places = {entry.tensorIndex: entry for entry in signature.outputs}
        signature.outputs = [places[index] for index in left if index in places]
    return editor.content(), tuple(taps)


def put_back(content: bytes, taps: Taps) -> bytes:
    """Return the quantized file with the outputs that the float file had, in their order, and without a signature."""
    if taps == tuple(range(len(taps))):
        return content
    editor = Editor(content)
    graph, left = editor.graph, list(editor.graph.outputs)
    named = {editor.name(index): index for index in reversed(range(len(graph.tensors)))}
    graph.outputs = [left[tap] if isinstance(tap, int) else _as_float(editor, named[tap]) for tap in taps]
    editor.model.signatureDefs = []
    return editor.content()


def with_unread_as_outputs(content: bytes) -> bytes:
    """Return the file with every computed tensor that nothing reads as a further output.

    A runtime keeps no memory for such a tensor, as for what is left over of a SPLIT, and cannot tell its range.
    """
    editor = Editor(content)
    graph = editor.graph
    read = {index for operator in graph.operators for index in operator.inputs} | set(graph.outputs)
    unread = [index for operator in graph.operators for index in operator.outputs if index not in read]
    if not unread:
        return content
    graph.outputs += unread
    for signature in editor.model.signatureDefs or []:
        for index in unread:
            entry = editor.schema.TensorMapT()
            entry.name, entry.tensorIndex = f"unread_{index}", index
            signature.outputs.append(entry)
    return editor.content()


def with_unread_quantized(content: bytes) -> bytes:
    """Return the quantized file with the parts of a tensor that nothing reads stored as the tensor is.

    The quantizer leaves them in float32, for which the operator that makes them has no kernel.
    """
    editor = Editor(content)
    graph = editor.graph
    read = {index for operator in graph.operators for index in operator.inputs} | set(graph.outputs)
    changed = False
    for operator in graph.operators:
        if editor.kind(operator) not in _PARTING:
            continue
        whole = graph.tensors[operator.inputs[_PARTING[editor.kind(operator)]]]
        for index in operator.outputs:
            if index not in read and graph.tensors[index].type != whole.type:
                graph.tensors[index].type, graph.tensors[index].quantization = whole.type, whole.quantization
                changed = True
    return editor.content() if changed else content


def own_outputs(editor: Editor) -> None:
    """Give each output a tensor of its own: one that is an input, or an output before, is copied."""
    graph = editor.graph
    taken = set(graph.inputs)
    for place, index in enumerate(graph.outputs):
        graph.outputs[place] = _copy(editor, index) if index in taken else index
        taken.add(index)


def _as_float(editor: Editor, index: int) -> int:
    """The tensor itself, or what a new DEQUANTIZE makes of it."""
    if editor.is_float(index):
        return index
    name = editor.name(index)
    editor.graph.tensors[index].name = f"{name}_stored"
    output = editor.add_tensor(name, editor.shape(index), "float32")
    editor.graph.operators.append(editor.builtin("DEQUANTIZE", [index], [output]))
    return output


def _copy(editor: Editor, index: int) -> int:
    """A tensor with the elements, type and scale of another."""
    name, sizes = editor.name(index), np.array(editor.shape(index), np.int32)
    output = editor.add_tensor(f"{name}_copy", editor.shape(index), "float32")
    made, like = editor.graph.tensors[output], editor.graph.tensors[index]
    made.type, made.quantization = like.type, like.quantization
    options = editor.schema.ReshapeOptionsT()
    options.newShape = sizes
    shape = editor.add_constant(f"{name}_shape", sizes)
    editor.graph.operators.append(editor.builtin("RESHAPE", [index, shape], [output], options))
    return output
