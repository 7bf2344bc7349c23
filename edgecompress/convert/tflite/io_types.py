"""Integer inputs and outputs for a quantized TFLite file."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.convert.targets import Io
from edgecompress.convert.tflite.editor import Editor
from edgecompress.convert.tflite.post_training import layer_of
from edgecompress.errors import ConversionError

UINT8_SHIFT = 128  # a uint8 code is the int8 code of the same real number plus this


def set_io(content: bytes, io: Io) -> bytes:
    """Return a file whose float32 inputs and outputs take and give `io`, with the scales of the tensors behind them.

    int8 takes the QUANTIZE and DEQUANTIZE next to them away; uint8 turns those into a shift by 128. An input that has
    several scales behind it takes the widest. Inputs and outputs that are integers, such as indices, stay as they are.

    Raises:
        ConversionError: an operator behind an input or before an output is not quantized, so that there is no scale.
    """
    if io == "float32":
        return content
    editor = Editor(content)
    graph = editor.graph
    given = {index: _input(editor, index, io) for index in graph.inputs if editor.is_float(index)}
    made = {
        index: _output(editor, index, io)
        for index in dict.fromkeys(graph.outputs)
        if editor.is_float(index) and index not in given
    }
    graph.inputs = [given.get(index, index) for index in graph.inputs]
    graph.outputs = [{**given, **made}.get(index, index) for index in graph.outputs]
    editor.model.signatureDefs = []  # it is written anew with the names
    return editor.content()


def _input(editor: Editor, index: int, io: Io) -> int:
    """The tensor that takes codes in the place of a float input."""
    readers = editor.readers(index)
    if not readers:
        raise ConversionError(
            f"The input '{editor.name(index)}' cannot be {io}: no operator reads it, so that it has no scale.",
            hint="Use --io float32, or take the input out of the model.",
        )
    for reader in readers:
        if editor.kind(reader) != "QUANTIZE":
            raise _refusal(editor, f"input '{editor.name(index)}'", reader, io)
    widest = max((reader.outputs[0] for reader in readers), key=lambda inner: _scale(editor, inner))
    taken = widest if io == "int8" else _as_uint8(editor, index, widest)
    for reader in readers:
        if taken in reader.outputs:
            editor.replace(reader, [])
        else:
            reader.inputs = [taken]
    return taken


def _output(editor: Editor, index: int, io: Io) -> int:
    """The tensor that gives codes in the place of a float output."""
    writer = editor.producer(index)
    if writer is None or editor.kind(writer) != "DEQUANTIZE":
        raise _refusal(editor, f"output '{editor.name(index)}'", writer, io)
    inner = writer.inputs[0]
    if io == "int8":
        return int(inner)
    shifted = _as_uint8(editor, index, inner)
    graph = editor.graph
    graph.operators.append(_requantize(editor, inner, shifted))
    return shifted


def _requantize(editor: Editor, source: int, target: int) -> Any:
    operator = editor.builtin("QUANTIZE", [source], [target])
    editor.model.operatorCodes[operator.opcodeIndex].version = 2  # of codes to codes
    return operator


def _scale(editor: Editor, index: int) -> float:
    return float(np.max(editor.graph.tensors[index].quantization.scale))


def _as_uint8(editor: Editor, index: int, inner: int) -> int:
    """A new tensor that has the real numbers of an int8 tensor, in uint8."""
    tensor = editor.add_tensor(f"{editor.name(index)}_uint8", editor.shape(index), "uint8")
    schemes = editor.schema.QuantizationParametersT(), editor.graph.tensors[inner].quantization
    schemes[0].scale = np.array(schemes[1].scale, np.float32)
    schemes[0].zeroPoint = np.array(schemes[1].zeroPoint, np.int64) + UINT8_SHIFT
    editor.graph.tensors[tensor].quantization = schemes[0]
    return tensor


def _refusal(editor: Editor, place: str, operator: Any | None, io: Io) -> ConversionError:
    what = f"'{layer_of(editor.name(operator.outputs[0]))}' ({editor.kind(operator)})" if operator else "what makes it"
    return ConversionError(
        f"The {place} cannot be {io}: {what} computes in float32 there, so that there is no scale for codes.",
        hint="Use --io float32, or do not keep these layers float.",
    )
