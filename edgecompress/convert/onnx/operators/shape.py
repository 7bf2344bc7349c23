"""Operators that move elements without computing; codes are moved as they are."""

from __future__ import annotations

import numpy as np

from edgecompress.convert.onnx.emission import NCHW, NHWC, Emission
from edgecompress.convert.onnx.operators.fused_activation import finish_stored
from edgecompress.convert.onnx.operators.quantize import requantized
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.graph import Operator


def reshape(emission: Emission, operator: Operator) -> None:
    """RESHAPE, SQUEEZE and EXPAND_DIMS: the file states the shape of the output."""
    source, output = operator.inputs[0], operator.outputs[0]
    shape = emission.tensor(output).shape
    if emission.tensor(output).size != emission.tensor(source).size:
        raise ConversionError("its output's shape is known only while the model runs; fix the shape of the input")
    if shape == emission.tensor(source).shape:
        nchw = emission.has_nchw(source)
        emission.store(output, emission.stored(source, nchw=nchw), nchw=nchw)
    else:
        emission.store(output, emission.reshape(emission.flat(source), shape))


def transpose(emission: Emission, operator: Operator) -> None:
    """TRANSPOSE; one between NHWC and NCHW is often there already."""
    source, output = operator.inputs[0], operator.outputs[0]
    permutation = tuple(emission.array(operator.inputs[1], "axes").tolist())
    if permutation == NHWC:
        emission.store(output, emission.stored(source), nchw=True)
    elif permutation == NCHW:
        emission.store(output, emission.stored(source, nchw=True))
    else:
        emission.store(output, emission.node("Transpose", emission.stored(source), perm=permutation))


def concatenation(emission: Emission, operator: Operator) -> None:
    """CONCATENATION; a quantized input whose scale is not the output's is quantized anew."""
    output = operator.outputs[0]
    nchw = emission.has_nchw(*operator.inputs)
    axis = operator.options["axis"] % len(emission.tensor(output).shape)
    values = [_in_codes_of(emission, index, output, nchw=nchw) for index in operator.inputs]
    value = emission.node("Concat", *values, axis=NHWC[axis] if nchw else axis)
    emission.store(output, finish_stored(emission, operator, value), nchw=nchw)


def pack(emission: Emission, operator: Operator) -> None:
    """PACK: inputs are stacked along a new axis."""
    output = operator.outputs[0]
    shape = emission.tensor(output).shape
    axis = operator.options["axis"] % len(shape)
    one = (*shape[:axis], 1, *shape[axis + 1 :])
    slices = [emission.reshape(_in_codes_of(emission, index, output), one) for index in operator.inputs]
    emission.store(output, emission.node("Concat", *slices, axis=axis))


def pad(emission: Emission, operator: Operator) -> None:
    """PAD with zeros, PADV2 with a constant.

    ONNX Runtime moves zeros that a Pad adds into the padding of the window behind it, which is right for a convolution
    only: a MaxPool pads with minus infinity (1.17 to 1.31 forget that), an AveragePool does not count what it pads
    (1.20), and neither may pad more than its window's size. A Pad that names its axes is left alone.
    """
    source, output = operator.inputs[0], operator.outputs[0]
    nchw = emission.has_nchw(source)
    pads = _paddings(emission, operator, nchw).T.reshape(-1).tolist()
    if operator.kind == "PADV2":
        fill = emission.reshape(_in_codes_of(emission, operator.inputs[2], output), ())
    elif emission.is_quantized(output):
        fill = emission.constant(np.array(emission.code_scheme(output)[1], np.uint8))
    else:
        fill = emission.constant(np.zeros((), emission.tensor(output).dtype))
    axes = [] if emission.only_convolved(output) else [emission.integers(*range(len(pads) // 2))]
    value = emission.node("Pad", emission.stored(source, nchw=nchw), emission.integers(*pads), fill, *axes)
    emission.store(output, value, nchw=nchw)


def mirror_pad(emission: Emission, operator: Operator) -> None:
    """MIRROR_PAD: the tensor reflected at its edge pixels (REFLECT), or between them and their copies (SYMMETRIC).

    ONNX has the first only, so the second gathers pixels by their mirrored indices.
    """
    source, output = operator.inputs[0], operator.outputs[0]
    nchw = emission.has_nchw(source)
    paddings, value = _paddings(emission, operator, nchw), emission.stored(source, nchw=nchw)
    if operator.options["mode"] == "REFLECT":
        value = emission.node("Pad", value, emission.integers(*paddings.T.reshape(-1).tolist()), mode="reflect")
    else:
        shape = emission.tensor(source).shape
        for axis, (before, after) in enumerate(paddings.tolist()):
            size = shape[NCHW[axis]] if nchw else shape[axis]
            if not 0 <= max(before, after) <= size:
                raise ConversionError(f"it pads {before} and {after} pixels to {size}, which mirror no more than that")
            if before or after:
                mirrored = np.pad(np.arange(size), (before, after), mode="symmetric").tolist()
                value = emission.node("Gather", value, emission.integers(*mirrored), axis=axis)
    emission.store(output, value, nchw=nchw)


def tile(emission: Emission, operator: Operator) -> None:
    """TILE: the tensor, so many times after itself along each axis."""
    source, output = operator.inputs[0], operator.outputs[0]
    nchw = emission.has_nchw(source)
    times = emission.array(operator.inputs[1], "multiples")
    times = times[list(NCHW)] if nchw else times
    value = emission.node("Tile", emission.stored(source, nchw=nchw), emission.integers(*times.tolist()))
    emission.store(output, value, nchw=nchw)


def reverse(emission: Emission, operator: Operator) -> None:
    """REVERSE_V2: the order along some axes turned round."""
    source, output = operator.inputs[0], operator.outputs[0]
    nchw, rank = emission.has_nchw(source), len(emission.tensor(source).shape)
    axes = [int(axis) % rank for axis in emission.array(operator.inputs[1], "axes").reshape(-1)]
    axes = [NHWC[axis] for axis in axes] if nchw else axes
    last, first, back = ([end] * len(axes) for end in (-1, np.iinfo(np.int64).min + 1, -1))
    ends = (emission.integers(*each) for each in (last, first, axes, back))
    emission.store(output, emission.node("Slice", emission.stored(source, nchw=nchw), *ends), nchw=nchw)


def depth_space(emission: Emission, operator: Operator) -> None:
    """SPACE_TO_DEPTH and DEPTH_TO_SPACE: channels are ordered by block position, then by channel.

    Codes are moved by general operators: ONNX Runtime 1.20 has neither for uint8, 1.24 lacks the first.
    """
    source, output, block = operator.inputs[0], operator.outputs[0], operator.options["block_size"]
    if emission.is_quantized(source):
        deep, wide = (output, source) if operator.kind == "SPACE_TO_DEPTH" else (source, output)
        (batch, height, width, _), channels = emission.tensor(deep).shape, emission.tensor(wide).shape[3]
        # The two middle ones of [rows, block, columns, block] change places, which is its own inverse.
        blocks = (height, width, block, block) if operator.kind == "DEPTH_TO_SPACE" else (height, block, width, block)
        value = emission.reshape(emission.stored(source), (batch, *blocks, channels))
        value = emission.node("Transpose", value, perm=(0, 1, 3, 2, 4, 5))
        emission.store(output, emission.reshape(value, emission.tensor(output).shape))
        return
    value = emission.stored(source, nchw=True)
    if operator.kind == "SPACE_TO_DEPTH":
        value = emission.node("SpaceToDepth", value, blocksize=block)
    else:
        value = emission.node("DepthToSpace", value, blocksize=block, mode="DCR")
    emission.store(output, value, nchw=True)


def shape_of(emission: Emission, operator: Operator) -> None:
    """SHAPE, which the file states."""
    output = emission.tensor(operator.outputs[0])
    shape = np.array(emission.tensor(operator.inputs[0]).shape, output.dtype)
    emission.store(output.index, emission.constant(shape))


def _paddings(emission: Emission, operator: Operator, nchw: bool) -> np.ndarray:
    """Rows (before, after), one an axis of the layout."""
    paddings = emission.array(operator.inputs[1], "paddings")
    return paddings[list(NCHW)] if nchw else paddings


def _in_codes_of(emission: Emission, index: int, output: int, *, nchw: bool = False) -> str:
    """The stored value of an input, in the codes of the output where that is quantized."""
    if emission.is_quantized(output):
        return requantized(emission, index, output, nchw=nchw)
    return emission.stored(index, nchw=nchw)
