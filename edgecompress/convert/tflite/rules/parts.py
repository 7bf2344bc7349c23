"""Operators that take parts of a tensor, which keep its scale."""

from __future__ import annotations

from edgecompress.convert.tflite.rules.node import (
    MANY,
    Node,
    axis_of,
    require,
    require_same,
    require_shape,
    rules,
    same_as_input,
    shape_of,
)


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


RULES = {
    "UNPACK": rules(1, same_as_input, _unpacked, outputs=range(1, MANY)),
    "SPLIT": rules(2, _split_same, _split, outputs=range(1, MANY)),
    "SPLIT_V": rules(3, same_as_input, _split_by_sizes, outputs=range(1, MANY)),
    "SLICE": rules(3, same_as_input, _sliced),
    "STRIDED_SLICE": rules(4, same_as_input, _strided),
    "GATHER": rules(2, same_as_input, _index_types, _gathered),
    "GATHER_ND": rules(2, same_as_input, _index_types),
}
