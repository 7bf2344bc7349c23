"""What stands behind a binary convolution is folded into it: scale, shift, pool, and sign as integer thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.convert.tflite.binary.lowering import WORD_BITS, Convolution, Lowering
from edgecompress.convert.tflite.binary.steps import activation_of, activation_steps, is_operator, steps_of
from edgecompress.convert.tflite.editor import Editor
from edgecompress.numerics.channel_chain import Chain, folded, sign_thresholds


def fold_affine(editor: Editor, convolution: Convolution) -> None:
    """Take what stands behind a convolution, or behind its max-pools, into its multiplier and bias where it fits in."""
    holder, pooled = convolution.last, False
    while (follower := editor.only_reader(int(holder.outputs[0]))) is not None:
        activation = activation_of(editor, follower)
        if editor.kind(follower) == "MAX_POOL_2D" and not activation:
            holder, pooled = follower, True
            continue
        steps = steps_of(editor, follower, int(holder.outputs[0])) if is_operator(activation) else ()
        chain = folded(convolution.chain, steps, pooled=pooled)
        if chain is None:
            break
        convolution.chain = chain
        _take_output(editor, holder, follower, activation)


def pool_bits(editor: Editor) -> None:
    """Let max-pools whose result is quantized work on bits: the sign of the greatest is the greatest sign."""
    for quantize in [operator for operator in editor.graph.operators if editor.kind(operator) == "LceQuantize"]:
        pooled = int(quantize.inputs[0])
        pool = editor.producer(pooled)
        if pool is None or editor.kind(pool) != "MAX_POOL_2D" or activation_of(editor, pool):
            continue
        if editor.only_reader(pooled) is None or not editor.is_float(int(pool.inputs[0])):
            continue
        source, options = int(pool.inputs[0]), pool.builtinOptions
        *outer, channels = editor.shape(source)
        bits = editor.add_tensor(f"{editor.name(source)}/bits", (*outer, -(-channels // WORD_BITS)), "int32")
        custom = {
            "filter_height": options.filterHeight, "filter_width": options.filterWidth,
            "stride_height": options.strideH, "stride_width": options.strideW, "padding": int(options.padding),
        }  # fmt: skip
        moved = editor.custom("LceBMaxPool2d", [bits], list(quantize.outputs), custom)
        editor.replace(pool, [editor.custom("LceQuantize", [source], [bits]), moved])
        editor.replace(quantize, [])


def join_signs(editor: Editor, lowering: Lowering, convolution: Convolution) -> bool:
    """Where all that reads a convolution is its sign, let it give bits by integer thresholds; whether it does."""
    found = None if convolution.zero_padding else _up_to_signs(editor, convolution)
    if found is None:
        lowering.finish(convolution, None)
        return False
    chain, passed, readers = found
    negated, threshold = sign_thresholds(chain)
    convolution.signs = np.where(negated[:, None, None, None], -convolution.signs, convolution.signs)
    for operator in passed:
        editor.replace(operator, [])
    kept = int(readers[0].outputs[0])
    for reader in readers:
        for other in editor.readers(int(reader.outputs[0])):
            other.inputs = [kept if index == reader.outputs[0] else index for index in other.inputs]
        editor.replace(reader, [])
    convolution.last.outputs = [kept]
    if convolution.last is not convolution.operator:  # the RESHAPE behind a dense layer
        width = -(-len(convolution.signs) // WORD_BITS)
        rows = editor.shape(int(convolution.operator.outputs[0]))[0]
        inner = editor.add_tensor(f"{convolution.layer.name}/sums", (rows, 1, 1, width), "int32")
        options = convolution.last.builtinOptions
        options.newShape = np.array((*options.newShape[:-1], width), np.int32)
        shape = editor.add_constant(f"{convolution.layer.name}/shape", options.newShape)
        convolution.operator.outputs, convolution.last.inputs = [inner], [inner, shape]
    lowering.finish(convolution, threshold)
    return True


def join_reshapes(editor: Editor) -> None:
    """Leave out a RESHAPE that undoes the one before it."""
    for operator in list(editor.graph.operators):
        before = editor.producer(int(operator.inputs[0])) if editor.kind(operator) == "RESHAPE" else None
        if before is None or editor.kind(before) != "RESHAPE" or operator.outputs[0] in editor.graph.outputs:
            continue
        source, output = int(before.inputs[0]), int(operator.outputs[0])
        if editor.shape(source) == editor.shape(output):
            for reader in editor.readers(output):
                reader.inputs = [source if index == output else index for index in reader.inputs]


def _up_to_signs(editor: Editor, convolution: Convolution) -> tuple[Chain, list[Any], list[Any]] | None:
    """The chain up to where nothing but signs are read, the operators on the way, and those that take the signs."""
    chain, value, passed = convolution.chain, convolution.output, list[Any]()
    while value not in editor.graph.outputs:
        readers = editor.readers(value)
        if readers and all(editor.kind(reader) == "LceQuantize" for reader in readers):
            return (chain, passed, readers) if chain.is_finite else None
        steps = steps_of(editor, readers[0], value) if len(readers) == 1 else ()
        if not steps or not is_operator(activation := activation_of(editor, readers[0])):
            return None
        chain = chain.then(*steps, *activation_steps(activation, editor.shape(value)[-1]))
        passed.append(readers[0])
        value = int(readers[0].outputs[0])
    return None


def _take_output(editor: Editor, holder: Any, reader: Any, activation: str) -> None:
    """Let `holder` make what `reader` made; the reader's activation becomes an operator of its own."""
    output = int(reader.outputs[0])
    if not activation:
        holder.outputs = [output]
        editor.replace(reader, [])
        return
    editor.replace(reader, [editor.builtin(activation, list(holder.outputs), [output])])
