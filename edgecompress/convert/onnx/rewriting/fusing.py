"""What stands behind a binary convolution is folded into it: scale, shift, pool, and sign as integer thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.convert.onnx.rewriting.editor import Editor, Node
from edgecompress.convert.onnx.rewriting.lowering import Convolution, Lowering, NotBits, quantized, window
from edgecompress.convert.onnx.rewriting.steps import Channels, steps_of
from edgecompress.numerics.channel_chain import Chain, folded, sign_thresholds


def fold_affine(editor: Editor, convolution: Convolution) -> None:
    """Take what stands behind a convolution into its multiplier and bias where it fits in.

    Transposes may stand between, and max-pools.
    """
    value, pooled, channels = convolution.output, False, _channels(convolution)
    while (follower := editor.only_reader(value)) is not None:
        if follower.kind == "Transpose":
            turned = channels.turned(follower)
            if turned is None:
                break
            channels = turned
        elif follower.kind == "MaxPool" and channels == _channels(convolution) and _bit_window(editor, follower):
            pooled = True
        else:
            chain = folded(convolution.chain, steps_of(editor, follower, value, channels), pooled=pooled)
            if chain is None:
                break
            convolution.chain = chain
            editor.bypass(follower, value)
        value = follower.output


def cancel_transposes(editor: Editor) -> None:
    """Leave out a Transpose that undoes the one before it."""
    for node in editor.nodes:
        before = editor.producer(node.inputs[0]) if node.kind == "Transpose" else None
        if before is None or before.kind != "Transpose" or node.output in editor.outputs:
            continue
        first, second = before.attribute("perm", [0]), node.attribute("perm", [0])
        if len(first) == len(second) and [first[axis] for axis in second] == list(range(len(first))):
            editor.replace(node.output, before.inputs[0])


def pool_bits(editor: Editor) -> None:
    """Let max-pools whose result is quantized work on bits: the sign of the greatest is the greatest sign."""
    for quantize in [node for node in editor.nodes if node.kind == "BinaryQuantize"]:
        pool = editor.producer(quantize.inputs[0])
        if pool is None or pool.kind != "MaxPool" or editor.only_reader(pool.output) is None:
            continue
        found = _bit_window(editor, pool)
        if found is None:
            continue
        source, output = pool.inputs[0], quantize.output
        editor.remove(quantize)
        editor.remove(pool)
        bits = quantized(editor, source)
        editor.add("BinaryMaxPool", bits, near=pool.name, output=output, own=True, **found)


def name_axes_of_pads(editor: Editor) -> None:
    """Have each Pad name its axes that not only convolutions read: ONNX Runtime then does not move it into a pool.

    `convert.onnx.operators.shape.pad` has the reasons. Borders that are computed count as well: the runtime computes
    those first.
    """
    for node in [node for node in editor.nodes if node.kind == "Pad" and len(node.inputs) in (2, 3)]:
        pads, shape = editor.constant(node.inputs[1]), editor.shapes.get(node.output)
        count = len(shape) if shape is not None else 0 if pads is None else pads.size // 2
        if count and any(reader.kind != "Conv" for reader in editor.readers(node.output)):
            axes = editor.store(np.arange(count), f"{node.name}/axes")
            editor.reads(node, [*node.inputs, *[""] * (3 - len(node.inputs)), axes])


def join_signs(editor: Editor, lowering: Lowering, convolution: Convolution) -> bool:
    """Where all that reads a convolution is its sign, let it give bits by integer thresholds; whether it does."""
    found = None if convolution.zero_padding else _up_to_signs(editor, convolution)
    if found is None:
        lowering.finish(convolution, None)
        return False
    chain, passed, readers = found
    negated, threshold = sign_thresholds(chain)
    convolution.signs = np.where(negated[:, None, None, None], -convolution.signs, convolution.signs)
    output = readers[0].output
    for reader in readers:
        editor.replace(reader.output, output)
    for node in (*readers, *passed):
        editor.remove(node)
    if convolution.is_dense:
        _join_rows(editor, convolution, output)
    else:
        editor.makes(convolution.node, output)
    convolution.attributes["pad_value"] = 1
    lowering.finish(convolution, threshold)
    return True


def _join_rows(editor: Editor, convolution: Convolution, output: str) -> None:
    """The bits of a dense layer as rows, `output`; who wants them as images of one pixel takes them as they are."""
    width = -(-len(convolution.signs) // 8)
    inner = convolution.node.output
    editor.makes(convolution.last, output)
    editor.reads(convolution.last, [inner, editor.store(np.array([-1, width], np.int64), "row_shape")])
    for reader in editor.readers(output):
        shape = editor.constant(reader.inputs[1]) if reader.kind == "Reshape" else None
        if shape is not None and shape.tolist() == [-1, 1, 1, width]:
            editor.replace(reader.output, inner)


def _up_to_signs(editor: Editor, convolution: Convolution) -> tuple[Chain, list[Node], list[Node]] | None:
    """The chain up to where nothing but signs are read, the nodes on the way, and those that take the signs."""
    chain, value, passed = convolution.chain, convolution.output, list[Node]()
    while value not in editor.outputs:
        readers = editor.readers(value)
        if readers and all(reader.kind == "BinaryQuantize" for reader in readers):
            return (chain, passed, readers) if chain.is_finite else None
        steps = steps_of(editor, readers[0], value, _channels(convolution)) if len(readers) == 1 else ()
        if not steps:
            return None
        chain = chain.then(*steps)
        passed.append(readers[0])
        value = readers[0].output
    return None


def _channels(convolution: Convolution) -> Channels:
    return Channels(len(convolution.signs), 2 if convolution.is_dense else 4)


def _bit_window(editor: Editor, pool: Node) -> dict[str, Any] | None:
    """The attributes of a max-pool that works on bits as well; every window of it has a pixel of the image."""
    kernel = tuple(pool.attribute("kernel_shape", [0]))
    try:
        found = window(editor, pool, kernel)
    except NotBits:
        return None
    plain = not pool.attribute("ceil_mode", 0) and found.pop("dilations") == (1, 1) and len(pool.proto.output) == 1
    return found | {"kernel_shape": kernel} if plain else None
