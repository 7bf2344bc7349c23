"""Operators that take parts of a tensor, as it is stored."""

from __future__ import annotations

from edgecompress.convert.onnx.emission import NHWC, Emission
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.graph import Operator


def strided_slice(emission: Emission, operator: Operator) -> None:
    """STRIDED_SLICE: Python's `x[begin:end:stride, ...]`, with bit masks for what is left out."""
    shape = emission.tensor(operator.inputs[0]).shape
    bounds = [emission.array(index, "bounds and strides").tolist() for index in operator.inputs[1:4]]
    masks = {name: operator.options[f"{name}_mask"] for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")}
    given = sum(not (masks["ellipsis"] | masks["new_axis"]) >> bit & 1 for bit in range(len(bounds[0])))
    slices: list[slice] = []
    for bit, (first, last, step) in enumerate(zip(*bounds, strict=True)):
        set_here = {name for name, mask in masks.items() if mask >> bit & 1}
        if "ellipsis" in set_here:
            slices += [slice(None)] * (len(shape) - given)
        elif "new_axis" in set_here:
            continue  # the output's shape has it
        elif "shrink_axis" in set_here:
            slices.append(slice(first, first + 1 or None))
        else:
            last = first + last if operator.options["offset"] else last
            slices.append(slice(None if "begin" in set_here else first, None if "end" in set_here else last, step))
    slices += [slice(None)] * (len(shape) - len(slices))
    _cut(emission, operator, [range(size)[part] for part, size in zip(slices, shape, strict=True)])


def plain_slice(emission: Emission, operator: Operator) -> None:
    """SLICE: from `begin` on, `size` elements of each axis; -1 means all that are left."""
    shape = emission.tensor(operator.inputs[0]).shape
    begins, sizes = (emission.array(index, "begins and sizes").tolist() for index in operator.inputs[1:3])
    ends = [length if size < 0 else begin + size for begin, size, length in zip(begins, sizes, shape, strict=True)]
    _cut(emission, operator, [range(begin, end) for begin, end in zip(begins, ends, strict=True)])


def _cut(emission: Emission, operator: Operator, kept: list[range]) -> None:
    """Keep a range of indices of each axis."""
    source, output = operator.inputs[0], operator.outputs[0]
    shape, result = emission.tensor(source).shape, emission.tensor(output).shape
    reshaped = tuple(map(len, kept)) != result
    nchw = emission.has_nchw(source) and not reshaped
    cut = [axis for axis, size in enumerate(shape) if kept[axis] != range(size)]
    value = emission.stored(source, nchw=nchw)
    if cut:
        # To ONNX a stop of -1 is the last element; a range down to element 0 has it mean "before the first".
        stops = [kept[axis].stop if kept[axis].stop >= 0 else -shape[axis] - 1 for axis in cut]
        value = emission.node(
            "Slice",
            value,
            emission.integers(*(kept[axis].start for axis in cut)),
            emission.integers(*stops),
            emission.integers(*(NHWC[axis] if nchw else axis for axis in cut)),
            emission.integers(*(kept[axis].step for axis in cut)),
        )
    emission.store(output, emission.reshape(value, result) if reshaped else value, nchw=nchw)


def split(emission: Emission, operator: Operator) -> None:
    """SPLIT(axis, x) and SPLIT_V(x, sizes, axis) into parts of the sizes of the outputs."""
    source, axis_index = operator.inputs[::-1] if operator.kind == "SPLIT" else operator.inputs[::2]
    axis = int(emission.array(axis_index, "axes").reshape(())) % len(emission.tensor(source).shape)
    nchw = emission.has_nchw(source)
    sizes = emission.integers(*(emission.tensor(output).shape[axis] for output in operator.outputs))
    value, count = emission.stored(source, nchw=nchw), len(operator.outputs)
    parts = emission.nodes("Split", value, sizes, outputs=count, axis=NHWC[axis] if nchw else axis)
    for output, part in zip(operator.outputs, parts, strict=True):
        emission.store(output, part, nchw=nchw)


def unpack(emission: Emission, operator: Operator) -> None:
    """UNPACK: the slices along an axis, without that axis."""
    source, count = operator.inputs[0], len(operator.outputs)
    axis = operator.options["axis"] % len(emission.tensor(source).shape)
    parts = emission.nodes("Split", emission.stored(source), emission.integers(*[1] * count), outputs=count, axis=axis)
    for output, part in zip(operator.outputs, parts, strict=True):
        emission.store(output, emission.reshape(part, emission.tensor(output).shape))


def gather(emission: Emission, operator: Operator) -> None:
    """GATHER along an axis, with the same indices for the whole batch."""
    if operator.options["batch_dims"]:
        raise ConversionError("its indices differ within the batch (batch_dims)")
    source, indices = operator.inputs
    axis = operator.options["axis"] % len(emission.tensor(source).shape)
    value = emission.node("Gather", emission.stored(source), emission.stored(indices), axis=axis)
    emission.store(operator.outputs[0], value)
