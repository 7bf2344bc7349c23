"""A float ONNX file with binary layers to one that stores and computes them in bits."""

from __future__ import annotations

from collections.abc import Mapping

from edgecompress.convert.onnx.check import check_onnx
from edgecompress.convert.onnx.rewriting.editor import Editor
from edgecompress.convert.onnx.rewriting.fusing import (
    cancel_transposes,
    fold_affine,
    join_signs,
    name_axes_of_pads,
    pool_bits,
)
from edgecompress.convert.onnx.rewriting.lowering import Convolution, Lowering, NotBits
from edgecompress.convert.onnx.rewriting.matching import KINDS, Layer, binary_kernel, binary_layers
from edgecompress.convert.tflite.binary.emit import BinaryFile
from edgecompress.errors import ConversionError
from edgecompress.values import LayerNote

_MISFIT = (ArithmeticError, LookupError, TypeError, ValueError)  # what a graph that contradicts itself runs into


def rewrite_onnx(content: bytes, *, metadata: Mapping[str, str]) -> BinaryFile:
    """Return the file with every layer whose kernel is binary in bits; `metadata` is written into it as text.

    Layers whose inputs are signs become functions of edgecompress, which the file carries, with integer thresholds
    where their output is read as signs alone; layers with real inputs keep their arithmetic and store their kernel at
    one bit a weight. All other nodes stay as they are, so do the inputs and outputs.

    Raises:
        ModelFileError: the bytes are no ONNX file, a damaged one, or beyond a bound.
        UnsupportedModelError: control flow, or tensors in other files.
        ConversionError: there is no binary layer, or one that cannot be in bits, all of which are named; or the file
            would break a rule (`check_onnx`).
    """
    try:
        return _rewrite(content, metadata)
    except _MISFIT as error:
        raise ConversionError(
            f"The nodes and tensors of the model do not fit together ({str(error)[:300]}).", hint="Export it again."
        ) from error


def _rewrite(content: bytes, metadata: Mapping[str, str]) -> BinaryFile:
    editor = Editor(content)
    editor.drop_unneeded()
    layers = binary_layers(editor)
    if not layers:
        raise ConversionError(
            "No layer of the model has a binary kernel.",
            hint="Train one with --binary, such as: edgecompress train quicknet --binary bnn.",
        )
    problems = [problem for layer in layers if (problem := _problem(layer))]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise ConversionError(
            f"{len(problems)} layers that are meant to be binary stay float:\n{listed}",
            hint="Write their inputs as where(x >= 0, 1, -1), and export the model again.",
        )
    lowering, convolutions, notes = Lowering(editor), list[Convolution](), list[LayerNote]()
    for layer in layers:
        try:
            convolutions.append(lowering.convolution(layer))
        except NotBits as reason:
            lowering.weights(layer)
            notes.append(LayerNote(layer.node.name, "binary weights, float arithmetic", str(reason)))
    editor.drop_unneeded()  # the signs in float, which would count as readers
    for convolution in convolutions:
        fold_affine(editor, convolution)
    cancel_transposes(editor)
    editor.drop_unneeded()
    pool_bits(editor)
    for convolution in convolutions:
        gives_bits = join_signs(editor, lowering, convolution)
        notes.append(
            LayerNote(convolution.layer.node.name, "binary, bits out" if gives_bits else "binary, float out", "")
        )
    left = [node.name for node in editor.nodes if node.kind in KINDS and binary_kernel(editor, node) is not None]
    if left:
        raise ConversionError(f"These layers have binary kernels and stayed float: {', '.join(left)}.")
    name_axes_of_pads(editor)
    content = editor.content(metadata)
    check_onnx(content)
    return BinaryFile(content, tuple(notes))


def _problem(layer: Layer) -> str:
    """What keeps the inputs of a layer from being bits, though they are meant to be; "" for nothing."""
    if layer.inputs is None or not layer.inputs.lookalike:
        return ""
    return f"'{layer.node.name}': its inputs are a sign that is {layer.inputs.lookalike} for 0, where that of bits is 1"
