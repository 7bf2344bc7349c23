"""What stands behind a binary convolution is folded into it: scale, shift, pool, and sign as integer thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.convert.tflite.binary.lowering import WORD_BITS, Convolution, Lowering
from edgecompress.convert.tflite.editor import Editor
from edgecompress.numerics.binary import thresholds


def fold_affine(editor: Editor, convolution: Convolution) -> None:
    """Take the MUL and ADD by constants behind a convolution, or behind its max-pool, into its multiplier and bias.

    `max(a x + b) = a max(x) + b` for a >= 0, so that they may change places with a max-pool.
    """
    while (follower := editor.only_reader(convolution.output)) is not None:
        pool = follower if editor.kind(follower) == "MAX_POOL_2D" and not _activation(follower) else None
        reader = editor.only_reader(int(pool.outputs[0])) if pool is not None else follower
        if reader is None or not _fold(editor, convolution, reader, rising=pool is not None):
            break
        holder = pool if pool is not None else convolution.last
        _take_output(editor, holder, reader)
    if not convolution.relu:
        falling = convolution.multiplier < 0  # the same numbers from the opposite kernel
        convolution.signs = np.where(falling[:, None, None, None], -convolution.signs, convolution.signs)
        convolution.multiplier = np.abs(convolution.multiplier)


def pool_bits(editor: Editor) -> None:
    """Let max-pools whose result is quantized work on bits: the sign of the greatest is the greatest sign."""
    for quantize in [operator for operator in editor.graph.operators if editor.kind(operator) == "LceQuantize"]:
        pooled = int(quantize.inputs[0])
        pool = editor.producer(pooled)
        if pool is None or editor.kind(pool) != "MAX_POOL_2D" or _activation(pool):
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
    readers = editor.readers(convolution.output)
    only_signs = readers and all(editor.kind(reader) == "LceQuantize" for reader in readers)
    possible = (
        only_signs
        and convolution.output not in editor.graph.outputs
        and not convolution.zero_padding
        and (convolution.multiplier >= 0).all()
    )
    if not possible:
        lowering.finish(convolution, None)
        return False
    products = convolution.signs[0].size
    threshold = thresholds(products, convolution.multiplier, convolution.bias, relu=convolution.relu)
    convolution.options["fused_activation_function"] = 0  # the thresholds know of it
    kept = int(readers[0].outputs[0])
    for reader in readers:
        for other in editor.readers(int(reader.outputs[0])):
            other.inputs = [kept if index == reader.outputs[0] else index for index in other.inputs]
        editor.replace(reader, [])
    convolution.last.outputs = [kept]
    if convolution.last is not convolution.operator:  # the RESHAPE behind a dense layer
        width = -(-len(convolution.signs) // WORD_BITS)
        inner = editor.add_tensor(f"{convolution.layer.name}/sums", (1, 1, 1, width), "int32")
        options = convolution.last.builtinOptions
        options.newShape = np.array((-1, width), np.int32)
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


def _fold(editor: Editor, convolution: Convolution, reader: Any, *, rising: bool) -> bool:
    """Take one operator into the multiplier and bias; whether that was possible."""
    kind = editor.kind(reader)
    if kind not in ("MUL", "ADD", "SUB") or (kind == "SUB" and reader.inputs[1] in (convolution.output,)):
        return False
    constant = next((value for index in reader.inputs if (value := editor.constant(index)) is not None), None)
    channels = len(convolution.signs)
    if constant is None or constant.size not in (1, channels) or constant.shape[-1:] not in ((), (constant.size,)):
        return False
    values = np.broadcast_to(constant.reshape(-1), channels).astype(np.float32)
    if kind == "MUL":
        if rising and (values < 0).any():
            return False
        convolution.multiplier, convolution.bias = convolution.multiplier * values, convolution.bias * values
    else:
        convolution.bias = convolution.bias + (values if kind == "ADD" else -values)
    return True


def _take_output(editor: Editor, holder: Any, reader: Any) -> None:
    """Let `holder` make what `reader` made; the reader's activation becomes an operator of its own."""
    output, activation = int(reader.outputs[0]), _activation(reader)
    if not activation:
        holder.outputs = [output]
        editor.replace(reader, [])
        return
    kind = next(name for name, value in vars(editor.schema.ActivationFunctionType).items() if value == activation)
    editor.replace(reader, [editor.builtin(kind, list(holder.outputs), [output])])


def _activation(operator: Any) -> int:
    return int(operator.builtinOptions.fusedActivationFunction) if operator.builtinOptions else 0
