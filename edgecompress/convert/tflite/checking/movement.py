"""Operators that only move numbers: codes stay what they are, so that input and output have one scale."""

from __future__ import annotations

import math

from edgecompress.convert.tflite.checking.node import (
    MANY,
    Node,
    axis_of,
    require,
    require_same,
    require_shape,
    rules,
    shape_of,
)
from edgecompress.convert.tflite.checking.windows import image


def _same(node: Node) -> None:
    require_same(node.input(0), *node.outputs)


def _all_same(node: Node) -> None:
    require_same(node.output, *(node.input(place) for place in range(len(node.inputs))))


def _reshaped(node: Node) -> None:
    source, output = node.input(0), node.output
    require(
        math.prod(shape_of(source)) == math.prod(shape_of(output)),
        f"its input {source.shape} and its output {output.shape} have not as many numbers",
    )
    asked = node.integers(1) if node.operator.kind == "RESHAPE" and node.optional(1) is not None else None
    if asked is not None:
        free = [wanted < 0 for wanted in asked]
        fits = len(asked) == len(output.shape) and sum(free) <= 1
        fits = fits and all(wanted in (-1, found) for wanted, found in zip(asked, output.shape, strict=True))
        require(fits, f"it is to give the shape {asked} and its output has {output.shape}")


def _transposed(node: Node) -> None:
    shape, order = shape_of(node.input(0)), node.integers(1)
    if order is not None:
        require(sorted(order) == list(range(len(shape))), f"its order {order} is none of {len(shape)} axes")
        require_shape(node.output, (shape[axis] for axis in order))


def _concatenated(node: Node) -> None:
    shapes = [shape_of(node.input(place)) for place in range(len(node.inputs))]
    require(len({len(shape) for shape in shapes}) == 1, f"its inputs have the shapes {shapes}")
    axis = axis_of(node.option("axis"), len(shapes[0]))
    outer = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
    require(len(outer) == 1, f"its inputs have the shapes {shapes}, which differ beside axis {axis}")
    require_shape(node.output, (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :]))


def _packed(node: Node) -> None:
    shapes = {shape_of(node.input(place)) for place in range(len(node.inputs))}
    require(len(shapes) == 1, f"its inputs have the shapes {sorted(shapes)}; one is expected")
    shape = list(shapes.pop())
    shape.insert(axis_of(node.option("axis"), len(shape) + 1), len(node.inputs))
    require_shape(node.output, shape)


def _unpacked(node: Node) -> None:
    shape = list(shape_of(node.input(0)))
    count = shape.pop(axis_of(node.option("axis"), len(shape)))
    require(count == len(node.outputs), f"it has {len(node.outputs)} outputs for {count} parts")
    for output in node.outputs:
        require_shape(output, shape)


def _split_same(node: Node) -> None:
    require_same(node.input(1), *node.outputs)


def _split(node: Node) -> None:
    shape, axes = shape_of(node.input(1)), node.integers(0)
    if axes is None:
        return
    require(len(axes) == 1, f"it is split along {len(axes)} axes")
    axis, parts = axis_of(axes[0], len(shape)), len(node.outputs)
    require(shape[axis] % parts == 0, f"its {shape[axis]} along axis {axis} are no {parts} equal parts")
    for output in node.outputs:
        require_shape(output, (*shape[:axis], shape[axis] // parts, *shape[axis + 1 :]))


def _split_by_sizes(node: Node) -> None:
    shape, sizes, axes = shape_of(node.input(0)), node.integers(1), node.integers(2)
    if sizes is None or axes is None:
        return
    require(len(axes) == 1, f"it is split along {len(axes)} axes")
    axis = axis_of(axes[0], len(shape))
    rest = shape[axis] - sum(size for size in sizes if size >= 0)
    sizes = [rest if size < 0 else size for size in sizes]
    require(
        len(sizes) == len(node.outputs) and sum(sizes) == shape[axis] and min(sizes) >= 0,
        f"its {shape[axis]} along axis {axis} are not {len(node.outputs)} parts of {sizes}",
    )
    for output, size in zip(node.outputs, sizes, strict=True):
        require_shape(output, (*shape[:axis], size, *shape[axis + 1 :]))


def _padded(node: Node) -> None:
    shape, amounts = shape_of(node.input(0)), node.integers(1)
    if amounts is None:
        return
    require(len(amounts) == 2 * len(shape), f"it has {len(amounts)} amounts of padding for {len(shape)} axes")
    require(min(amounts, default=0) >= 0, f"its padding is {amounts}")
    require_shape(node.output, (size + sum(amounts[2 * axis : 2 * axis + 2]) for axis, size in enumerate(shape)))


def _pad_value_same(node: Node) -> None:
    require_same(node.input(0), node.input(2))


def _sliced(node: Node) -> None:
    shape, begins, sizes = shape_of(node.input(0)), node.integers(1), node.integers(2)
    if begins is None or sizes is None:
        return
    require(len(begins) == len(sizes) == len(shape), f"it takes {len(begins)} and {len(sizes)} of {len(shape)} axes")
    sizes = [total - begin if size < 0 else size for begin, size, total in zip(begins, sizes, shape, strict=True)]
    inside = all(
        begin >= 0 and size >= 0 and begin + size <= total
        for begin, size, total in zip(begins, sizes, shape, strict=True)
    )
    require(inside, f"it takes {sizes} from {begins} on, out of {shape}")
    require_shape(node.output, sizes)


def _strided(node: Node) -> None:
    """Python's `x[begin:end:stride, ...]`; where axes are added or left out in the middle, only that there is less."""
    shape = shape_of(node.input(0))
    bounds = [node.integers(place) for place in (1, 2, 3)]
    if None in bounds or node.option("ellipsis_mask") or node.option("new_axis_mask"):
        return
    begins, ends, steps = (bound or [] for bound in bounds)
    require(
        len(begins) == len(ends) == len(steps) <= len(shape) and all(steps),
        f"it takes {begins} to {ends} by {steps} out of {shape}",
    )
    found: list[int] = []
    for axis, size in enumerate(shape):
        if axis >= len(begins):
            found.append(size)
        elif not node.option("shrink_axis_mask") >> axis & 1:
            end = ends[axis] + begins[axis] if node.option("offset") else ends[axis]
            from_front, to_back = (node.option(f"{side}_mask") >> axis & 1 for side in ("begin", "end"))
            part = slice(None if from_front else begins[axis], None if to_back else end, steps[axis])
            found.append(len(range(size)[part]))
        else:
            require(-size <= begins[axis] < size, f"it takes {begins[axis]} out of {size}")
    require_shape(node.output, found)


def _gathered(node: Node) -> None:
    shape, indices = shape_of(node.input(0)), shape_of(node.input(1))
    axis, batch = axis_of(node.option("axis"), len(shape)), node.option("batch_dims")
    require(0 <= batch <= min(axis, len(indices)), f"its batch has {batch} axes")
    require_shape(node.output, (*shape[:axis], *indices[batch:], *shape[axis + 1 :]))


def _index_types(node: Node) -> None:
    require(node.input(1).dtype in ("int16", "int32", "int64"), f"its indices are {node.input(1).dtype}")


def _tiled(node: Node) -> None:
    shape, counts = shape_of(node.input(0)), node.integers(1)
    if counts is not None:
        require(len(counts) == len(shape), f"it has {len(counts)} counts for {len(shape)} axes")
        require_shape(node.output, (size * count for size, count in zip(shape, counts, strict=True)))


def _spread(node: Node) -> None:
    asked = node.integers(1)
    if asked is not None:
        require_shape(node.output, asked)


def _like(node: Node) -> None:
    require_shape(node.output, shape_of(node.input(0)))


def _resized(node: Node) -> None:
    batch, *_, channels = image(node.input(0))
    size = node.integers(1)
    if size is not None:
        require(len(size) == 2, f"its size is {size}")
        require_shape(node.output, (batch, *size, channels))


def _depth_to_space(node: Node) -> None:
    batch, height, width, channels = image(node.input(0))
    block = node.option("block_size")
    require(block > 0 and channels % block**2 == 0, f"its {channels} channels are no blocks of {block} x {block}")
    require_shape(node.output, (batch, height * block, width * block, channels // block**2))


def _space_to_depth(node: Node) -> None:
    batch, height, width, channels = image(node.input(0))
    block = node.option("block_size")
    require(block > 0 and height % block == width % block == 0, f"its {height} x {width} are no blocks of {block}")
    require_shape(node.output, (batch, height // block, width // block, channels * block**2))


def _to_batch(node: Node) -> None:
    batch, *sides = shape_of(node.input(0))
    blocks, pads = node.integers(1), node.integers(2)
    if blocks is None or pads is None:
        return
    require(len(pads) == 2 * len(blocks) <= 2 * len(sides) and min(blocks) > 0, f"its blocks are {blocks}")
    padded = [side + sum(pads[2 * axis : 2 * axis + 2]) for axis, side in enumerate(sides[: len(blocks)])]
    require(
        all(side % block == 0 for side, block in zip(padded, blocks, strict=True)),
        f"its {padded} are no blocks of {blocks}",
    )
    inner = (side // block for side, block in zip(padded, blocks, strict=True))
    require_shape(node.output, (batch * math.prod(blocks), *inner, *sides[len(blocks) :]))


def _to_space(node: Node) -> None:
    batch, *sides = shape_of(node.input(0))
    blocks, crops = node.integers(1), node.integers(2)
    if blocks is None or crops is None:
        return
    require(len(crops) == 2 * len(blocks) <= 2 * len(sides) and min(blocks) > 0, f"its blocks are {blocks}")
    require(batch % math.prod(blocks) == 0, f"its batch of {batch} is no blocks of {blocks}")
    inner = (sides[axis] * block - sum(crops[2 * axis : 2 * axis + 2]) for axis, block in enumerate(blocks))
    require_shape(node.output, (batch // math.prod(blocks), *inner, *sides[len(blocks) :]))


RULES = {
    "RESHAPE": rules(range(1, 3), _same, _reshaped),
    "SQUEEZE": rules(1, _same, _reshaped),
    "EXPAND_DIMS": rules(2, _same, _reshaped),
    "TRANSPOSE": rules(2, _same, _transposed),
    "CONCATENATION": rules(range(1, MANY), _all_same, _concatenated),
    "PACK": rules(range(1, MANY), _all_same, _packed),
    "UNPACK": rules(1, _same, _unpacked, outputs=range(1, MANY)),
    "SPLIT": rules(2, _split_same, _split, outputs=range(1, MANY)),
    "SPLIT_V": rules(3, _same, _split_by_sizes, outputs=range(1, MANY)),
    "PAD": rules(2, _same, _padded),
    "PADV2": rules(3, _same, _pad_value_same, _padded),
    "MIRROR_PAD": rules(2, _same, _padded),
    "SLICE": rules(3, _same, _sliced),
    "STRIDED_SLICE": rules(4, _same, _strided),
    "GATHER": rules(2, _same, _index_types, _gathered),
    "GATHER_ND": rules(2, _same, _index_types),
    "TILE": rules(2, _same, _tiled),
    "BROADCAST_TO": rules(2, _same, _spread),
    "REVERSE_V2": rules(2, _same, _like),
    "RESIZE_BILINEAR": rules(2, _same, _resized),
    "RESIZE_NEAREST_NEIGHBOR": rules(2, _same, _resized),
    "DEPTH_TO_SPACE": rules(1, _same, _depth_to_space),
    "SPACE_TO_DEPTH": rules(1, _same, _space_to_depth),
    "SPACE_TO_BATCH_ND": rules(3, _same, _to_batch),
    "BATCH_TO_SPACE_ND": rules(3, _same, _to_space),
    "DYNAMIC_UPDATE_SLICE": rules(3, _same, _like),
}
