"""What stands behind a binary convolution is folded into it: scale, shift, pool, and sign as integer thresholds."""

from __future__ import annotations

import numpy as np

from edgecompress.convert.onnx.rewriting.editor import Editor, Node
from edgecompress.convert.onnx.rewriting.lowering import Convolution, Lowering, NotBits, quantized, window
from edgecompress.numerics.binary import thresholds


def fold_affine(editor: Editor, convolution: Convolution) -> None:
    """Take the ReLU directly behind, and scales and shifts by constants, into the multiplier and bias.

    Transposes may stand between, and max-pools: `max(a x + b) = a max(x) + b` for a >= 0.
    """
    value, axis, rising = convolution.output, 1, False
    rank = 2 if convolution.is_dense else 4
    while (follower := editor.only_reader(value)) is not None:
        if follower.kind == "Relu" and value == convolution.output and _may_rectify(convolution):
            convolution.relu = True
        elif follower.kind == "Transpose":
            order = follower.attribute("perm", list(range(rank))[::-1])
            axis, value = order.index(axis), follower.output
            continue
        elif follower.kind == "MaxPool" and rank == 4 and axis == 1 and len(follower.proto.output) == 1:
            rising, value = True, follower.output
            continue
        elif not _fold(editor, convolution, follower, value=value, axis=axis, rank=rank, rising=rising):
            break
        editor.bypass(follower, value)
        value = follower.output
    if not convolution.relu:
        falling = convolution.multiplier < 0  # the same numbers from the opposite kernel
        convolution.signs = np.where(falling[:, None, None, None], -convolution.signs, convolution.signs)
        convolution.multiplier = np.abs(convolution.multiplier)


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
        kernel = tuple(pool.attribute("kernel_shape", [0]))
        try:
            found = window(editor, pool, kernel)
        except NotBits:
            continue
        if pool.attribute("ceil_mode", 0) or found.pop("dilations") != (1, 1) or len(pool.proto.output) > 1:
            continue
        source, output = pool.inputs[0], quantize.output
        editor.remove(quantize)
        editor.remove(pool)
        bits = quantized(editor, source)
        editor.add("BinaryMaxPool", bits, near=pool.name, output=output, own=True, kernel_shape=kernel, **found)


def name_axes_of_pads(editor: Editor) -> None:
    """Have each Pad name its axes that not only convolutions read: ONNX Runtime then does not move it into a pool.

    `convert.onnx.shape.pad` has the reasons.
    """
    for node in [node for node in editor.nodes if node.kind == "Pad" and len(node.inputs) in (2, 3)]:
        pads = editor.constant(node.inputs[1])
        if pads is not None and any(reader.kind != "Conv" for reader in editor.readers(node.output)):
            axes = editor.store(np.arange(pads.size // 2), f"{node.name}/axes")
            editor.reads(node, [*node.inputs, *[""] * (3 - len(node.inputs)), axes])


def join_signs(editor: Editor, lowering: Lowering, convolution: Convolution) -> bool:
    """Where all that reads a convolution is its sign, let it give bits by integer thresholds; whether it does."""
    readers = editor.readers(convolution.output)
    only_signs = bool(readers) and all(reader.kind == "BinaryQuantize" for reader in readers)
    if (
        not only_signs
        or convolution.output in editor.outputs
        or convolution.zero_padding
        or (convolution.multiplier < 0).any()
    ):
        lowering.finish(convolution, None)
        return False
    products = convolution.signs[0].size
    threshold = thresholds(products, convolution.multiplier, convolution.bias, relu=convolution.relu)
    output = readers[0].output
    for reader in readers:
        editor.replace(reader.output, output)
        editor.remove(reader)
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


def _may_rectify(convolution: Convolution) -> bool:
    return not convolution.bias.any() and bool((convolution.multiplier >= 0).all())


def _fold(
    editor: Editor, convolution: Convolution, node: Node, *, value: str, axis: int, rank: int, rising: bool
) -> bool:
    """Take one node into the multiplier and bias; whether that was possible."""
    channels = len(convolution.signs)
    with np.errstate(all="ignore"):  # what is not finite is not folded
        found = _affine(editor, node, value=value, axis=axis, rank=rank, channels=channels)
        if found is None or (rising and (found[0] < 0).any()):
            return False
        factor, shift = found
        multiplier = (convolution.multiplier * factor).astype(np.float32)
        bias = (convolution.bias * factor + shift).astype(np.float32)
    if not np.isfinite(multiplier).all() or not np.isfinite(bias).all():
        return False
    convolution.multiplier, convolution.bias = multiplier, bias
    return True


def _affine(
    editor: Editor, node: Node, *, value: str, axis: int, rank: int, channels: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Factor and shift of each channel, where the node is `factor * value + shift`."""
    one, none = np.ones(channels, np.float32), np.zeros(channels, np.float32)
    if node.kind == "BatchNormalization":
        constants = [editor.constant(each) for each in node.inputs[1:5]]
        if node.inputs[0] != value or axis != 1 or node.attribute("training_mode", 0) or len(node.proto.output) > 1:
            return None
        if any(each is None or each.shape != (channels,) or each.dtype != np.float32 for each in constants):
            return None
        gamma, beta, mean, variance = (each.astype(np.float64) for each in constants if each is not None)
        factor = gamma / np.sqrt(variance + node.attribute("epsilon", 1e-5))
        return factor, beta - mean * factor
    if node.kind not in ("Mul", "Add", "Sub", "Div") or len(node.inputs) != 2:
        return None
    first = node.inputs[0] == value
    constant = editor.constant(node.inputs[1 if first else 0])
    if constant is None or constant.dtype != np.float32 or constant.ndim > rank:
        return None
    lengths = [1] * (rank - constant.ndim) + list(constant.shape)
    if any(length != 1 for other, length in enumerate(lengths) if other != axis) or lengths[axis] not in (1, channels):
        return None
    numbers = np.broadcast_to(constant.reshape(-1), channels)
    if node.kind == "Mul":
        return numbers, none
    if node.kind == "Add":
        return one, numbers
    if node.kind == "Sub":
        return (one, -numbers) if first else (-one, numbers)
    return (1 / numbers, none) if first else None
