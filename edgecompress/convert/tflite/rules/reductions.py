"""Operators that make one number of those along some axes."""

from __future__ import annotations

from edgecompress.convert.tflite.rules.node import (
    INDICES,
    Node,
    axis_of,
    require,
    require_codes,
    require_shape,
    require_type,
    rules,
    same_as_input,
    shape_of,
)


def _reduced(node: Node) -> None:
    shape, axes = shape_of(node.input(0)), node.integers(1)
    if axes is None:
        return
    gone = {axis_of(axis, len(shape)) for axis in axes}
    if node.option("keep_dims"):
        require_shape(node.output, (1 if axis in gone else size for axis, size in enumerate(shape)))
    else:
        require_shape(node.output, (size for axis, size in enumerate(shape) if axis not in gone))


def _like_input(node: Node) -> None:
    require_codes(node.input(0), "its input")
    require_codes(node.output, "its output")
    require_type(node.output, (node.input(0).dtype,), f"beside an input of {node.input(0).dtype} its output")


def _logical(node: Node) -> None:
    require_type(node.input(0), ("bool",), "its input")
    require_type(node.output, ("bool",), "its output")


def _place_types(node: Node) -> None:
    require_type(node.output, INDICES, "its output")


def _place(node: Node) -> None:
    shape, axes = list(shape_of(node.input(0))), node.integers(1)
    if axes is not None:
        require(len(axes) == 1, f"it looks along {len(axes)} axes")
        shape.pop(axis_of(axes[0], len(shape)))
        require_shape(node.output, shape)


RULES = {
    "MEAN": rules(2, _like_input, _reduced),
    "SUM": rules(2, _like_input, _reduced),
    "REDUCE_PROD": rules(2, _like_input, _reduced),
    "REDUCE_MAX": rules(2, same_as_input, _reduced),
    "REDUCE_MIN": rules(2, same_as_input, _reduced),
    "REDUCE_ANY": rules(2, _logical, _reduced),
    "REDUCE_ALL": rules(2, _logical, _reduced),
    "ARG_MAX": rules(2, _place_types, _place),
    "ARG_MIN": rules(2, _place_types, _place),
}
