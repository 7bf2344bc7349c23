"""A float TFLite file with binary layers to one that stores and computes them in bits."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edgecompress.convert.tflite.binary.fusing import fold_affine, join_reshapes, join_signs, pool_bits
from edgecompress.convert.tflite.binary.lowering import Convolution, Lowering, NotBinary
from edgecompress.convert.tflite.binary.matching import DEPTHWISE, KINDS, BinaryLayer, binary_layers, split_kernel
from edgecompress.convert.tflite.editor import Editor
from edgecompress.convert.tflite.post_training import layer_pattern
from edgecompress.errors import ConversionError
from edgecompress.values import LayerNote


@dataclass(frozen=True)
class BinaryFile:
    """The file, and what became of each layer with a binary kernel."""

    content: bytes
    notes: tuple[LayerNote, ...]


def binary_tensors(content: bytes) -> tuple[str, ...]:
    """Return the names of what the layers with binary kernels compute, which other quantization must leave alone."""
    return tuple(layer.name for layer in binary_layers(Editor(content)))


def emit_binary(content: bytes, *, expected: dict[str, bool] | None = None) -> BinaryFile:
    """Return the file with every layer whose kernel is binary in bits.

    Layers whose inputs are signs become LceBconv2d, with integer thresholds where their output is read as signs
    alone; layers with real inputs keep their arithmetic and store their kernel at one bit a weight. `expected` names
    the layers that are meant to be binary, and says whether their inputs are as well. A file that has such operators
    already, as Larq's converter makes them, keeps them.

    Raises:
        ConversionError: there is no binary layer, or one that is meant to be binary stayed float; all are named.
    """
    editor = Editor(content)
    if has_binary_operators(content):
        return _with_own_codes(editor)
    layers = binary_layers(editor)
    problems = _unmet(layers, expected or {})
    if not layers and not problems:
        raise ConversionError(
            "No layer of the model has a binary kernel.",
            hint="Train one with --binary, such as: edgecompress train quicknet --binary bnn.",
        )
    lowering, convolutions, notes = Lowering(editor), list[Convolution](), list[LayerNote]()
    for layer in layers:
        try:
            if layer.source is not None:
                convolutions.append(lowering.convolution(layer))
            else:
                lowering.weights(layer)
                alone = layer.kind == DEPTHWISE
                reason = "a channel by itself has no bits to pack" if alone else "its inputs are real"
                notes.append(LayerNote(layer.name, "binary weights, float arithmetic", reason))
        except NotBinary as reason:
            problems.append(f"'{layer.name}': {reason}")
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise ConversionError(
            f"{len(problems)} layers that are meant to be binary stay float:\n{listed}",
            hint="Change these layers, or train them with --keep-float so that they are meant to be float.",
        )
    editor.drop_unneeded()  # the signs in float, which would count as readers
    for convolution in convolutions:
        fold_affine(editor, convolution)
    pool_bits(editor)
    for convolution in convolutions:
        gives_bits = join_signs(editor, lowering, convolution)
        notes.append(LayerNote(convolution.layer.name, "binary, bits out" if gives_bits else "binary, float out", ""))
    join_reshapes(editor)
    result = editor.content()
    _require_none_left(result)
    return BinaryFile(result, tuple(notes))


def has_binary_operators(content: bytes) -> bool:
    """Return whether the file has operators of Larq Compute Engine."""
    editor = Editor(content)
    return any(editor.kind(operator).startswith("Lce") for operator in editor.graph.operators)


def _with_own_codes(editor: Editor) -> BinaryFile:
    """Larq's converter lets equal operators share a code, and stock LiteRT could not tell them apart."""
    for operator in editor.graph.operators:
        if editor.kind(operator).startswith("Lce"):
            editor.own_code(operator)
    return BinaryFile(editor.content(), ())


def _unmet(layers: list[BinaryLayer], expected: dict[str, bool]) -> list[str]:
    """What keeps layers from being what they are meant to be.

    At the model's outputs, where tensors have the outputs' names, a layer's own may be lost: a layer is then found if
    there is an operator that no other layer has claimed.
    """
    patterns = {name: re.compile(layer_pattern(re.escape(name))) for name in expected}
    claimed = {
        name: [layer for layer in layers if pattern.match(layer.name) or pattern.match(layer.kernel_name)]
        for name, pattern in patterns.items()
    }
    unclaimed = [layer for layer in layers if not any(layer in found for found in claimed.values())]
    problems = []
    for name, found in claimed.items():
        if not found and unclaimed:
            found = [unclaimed.pop()]
        if not found:
            problems.append(f"'{name}': its kernel in the TFLite file is not of one magnitude a filter")
        elif expected[name] and all(layer.source is None for layer in found):
            problems.append(f"'{name}': its inputs in the TFLite file are not the signs of a tensor")
    return problems


def _require_none_left(content: bytes) -> None:
    """Count afterwards: a converter that leaves layers float without a word is worse than one that refuses."""
    editor = Editor(content)
    left = [
        editor.name(operator.outputs[0])
        for operator in editor.graph.operators
        if (kind := editor.kind(operator)) in KINDS and split_kernel(editor.constant(operator.inputs[1]), kind)
    ]
    if left:
        raise ConversionError(f"These layers have binary kernels and stayed float: {', '.join(left)}.")
