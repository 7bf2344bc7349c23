"""Operators that take parts of a tensor, as it is stored."""

from __future__ import annotations

from edgecompress.convert.onnx.emission import NHWC, Emission
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite_graph import Operator


def strided_slice(emission: Emission, operator: Operator) -> None:
    """STRIDED_SLICE: Python's `x[begin:end:stride, ...]`, with bit masks for what is left out."""
    shape = emission.tensor(operator.inputs[0]).shape
    begin, end, strides = (
        emission.array(index, "bounds and strides").tolist() for index in operator.inputs[1:4]
    )
    masks = {name: operator.options[f"{name}_mask"] for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    named = sum(not (masks["ellipsis"] | masks["new_axis"]) >> bit & 1 for bit in range(len(begin)))
    slices: list[slice] = []
    for position, (first, last, step) in enumerate(zip(begin, end, strides, strict=True)):
        set_masks = {name for name, mask in masks.items() if mask >> position & 1}
        if "ellipsis" in set_masks:
            slices += [slice(None)] * (len(shape) - named)
        elif "new_axis" in set_masks:
            continue  # the reshape below makes it
        elif "shrink_axis" in set_masks:
            slices.append(slice(first, first + 1 or None))
        else:
            last = first + last if operator.options["offset"] else last
            slices.append(slice(None if "begin" in set_masks else first, None if "end" in set_masks else last, step))
    slices += [slice(None)] * (len(shape) - len(slices))
    _slice(emission, operator, [s.indices(size) for s, size in zip(slices, shape, strict=True)])


def plain_slice(emission: Emission, operator: Operator) -> None:
    """SLICE: from `begin`, `size` elements along each axis, -1 for all that are left."""
    shape = emission.tensor(operator.inputs[0]).shape
    begin, size = (emission.array(index, "begins and sizes").tolist() for index in operator.inputs[1:3])
    _slice(
        emission,
        operator,
        [(b, length if s < 0 else b + s, 1) for b, s, length in zip(begin, size, shape, strict=True)],
    )


def _slice(emission: Emission, operator: Operator, ranges: list[tuple[int, int, int]]) -> None:
    """Cut a range (start, stop, step), counted from 0, out of each axis."""
    source, output = operator.inputs[0], operator.outputs[0]
    shape, result = emission.tensor(source).shape, emission.tensor(output).shape
    nchw = emission.has_nchw(source) and len(result) == 4 and tuple(len(range(*r)) for r in ranges) == result
    cut = [axis for axis, (r, size) in enumerate(zip(ranges, shape, strict=True)) if r != (0, size, 1)]
    value = emission.stored(source, nchw=nchw)
    if cut:
        # A stop of -1 means "through element 0" here and "the last element" to ONNX.
        stops = [ranges[axis][1] if ranges[axis][1] >= 0 else -shape[axis] - 1 for axis in cut]
        value = emission.node(
            "Slice",
            value,
            emission.integers(*(ranges[axis][0] for axis in cut)),
            emission.integers(*stops),
            emission.integers(*(NHWC[axis] if nchw else axis for axis in cut)),
            emission.integers(*(ranges[axis][2] for axis in cut)),
        )
    if tuple(len(range(*r)) for r in ranges) != result:
        value = emission.reshape(value, result)
    emission.store(output, value, nchw=nchw)


def split(emission: Emission, operator: Operator) -> None:
    """SPLIT(axis, x) into equal parts and SPLIT_V(x, sizes, axis) into parts of the sizes of the outputs."""
    source, axis_index = operator.inputs[::-1][:2] if operator.kind == "SPLIT" else operator.inputs[::2]
    axis = int(emission.array(axis_index, "axes").reshape(())) % len(emission.tensor(source).shape)
    nchw = emission.has_nchw(source)
    sizes = [emission.tensor(output).shape[axis] for output in operator.outputs]
    parts = emission.nodes(
        "Split",
        emission.stored(source, nchw=nchw),
        emission.integers(*sizes),
        outputs=len(sizes),
        axis=NHWC[axis] if nchw else axis,
    )
    for output, part in zip(operator.outputs, parts, strict=True):
        emission.store(output, part, nchw=nchw)


def unpack(emission: Emission, operator: Operator) -> None:
    """UNPACK: the slices along an axis, without it."""
    source = operator.inputs[0]
    axis = operator.options["axis"] % len(emission.tensor(source).shape)
    count = len(operator.outputs)
    parts = emission.nodes(
        "Split", emission.stored(source), emission.integers(*[1] * count), outputs=count, axis=axis
    )
    for output, part in zip(operator.outputs, parts, strict=True):
        emission.store(output, emission.reshape(part, emission.tensor(output).shape))


def gather(emission: Emission, operator: Operator) -> None:
    """GATHER along an axis."""
    if operator.options["batch_dims"]:
        raise ConversionError("its indices differ by batch (batch_dims)")
    source, indices = operator.inputs
    axis = operator.options["axis"] % len(emission.tensor(source).shape)
    value = emission.node("Gather", emission.stored(source), emission.stored(indices), axis=axis)
    emission.store(operator.outputs[0], value)


def shape_of(emission: Emission, operator: Operator) -> None:
    """SHAPE, which is known while emitting."""
    raise NotImplementedError
