"""Operators that only move numbers: codes stay what they are, so that input and output have one scale."""

from __future__ import annotations

import math

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


def _padded(node: Node) -> None:
    shape, amounts = shape_of(node.input(0)), node.integers(1)
    if amounts is None:
        return
    require(len(amounts) == 2 * len(shape), f"it has {len(amounts)} amounts of padding for {len(shape)} axes")
    require(min(amounts, default=0) >= 0, f"its padding is {amounts}")
    require_shape(node.output, (size + sum(amounts[2 * axis : 2 * axis + 2]) for axis, size in enumerate(shape)))


def _pad_value_same(node: Node) -> None:
    require_same(node.input(0), node.input(2))


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


RULES = {
    "RESHAPE": rules(range(1, 3), same_as_input, _reshaped),
    "SQUEEZE": rules(1, same_as_input, _reshaped),
    "EXPAND_DIMS": rules(2, same_as_input, _reshaped),
    "TRANSPOSE": rules(2, same_as_input, _transposed),
    "CONCATENATION": rules(range(1, MANY), _all_same, _concatenated),
    "PACK": rules(range(1, MANY), _all_same, _packed),
    "PAD": rules(2, same_as_input, _padded),
    "PADV2": rules(3, same_as_input, _pad_value_same, _padded),
    "MIRROR_PAD": rules(2, same_as_input, _padded),
    "TILE": rules(2, same_as_input, _tiled),
    "BROADCAST_TO": rules(2, same_as_input, _spread),
    "REVERSE_V2": rules(2, same_as_input, _like),
    "DYNAMIC_UPDATE_SLICE": rules(3, same_as_input, _like),
}
