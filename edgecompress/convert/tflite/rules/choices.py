"""Comparisons, logic, and choices by them."""

from __future__ import annotations

from edgecompress.convert.tflite.rules.node import (
    INDICES,
    Node,
    broadcast,
    require,
    require_same,
    require_shape,
    require_type,
    rules,
    shape_of,
)


def _compared(node: Node) -> None:
    first, second = node.input(0), node.input(1)
    require(first.dtype == second.dtype, f"it compares {first.dtype} with {second.dtype}")
    require_type(node.output, ("bool",), "its output")
    for place, tensor in enumerate((first, second)):
        for scale in tensor.quant.scales if tensor.quant else ():
            # The multiplier of a code is the scale itself, for which the kernel has no bits in front of the point: it
            # aborts at 1, and at 1.2 says that all numbers are equal (`operators_test`).
            require(scale < 1, f"its input {place} has the scale {scale:g}; LiteRT compares codes at scales below 1")


def _logical(node: Node) -> None:
    for place in range(len(node.inputs)):
        require_type(node.input(place), ("bool",), f"its input {place}")
    require_type(node.output, ("bool",), "its output")


def _together(node: Node) -> None:
    require_shape(node.output, broadcast(*(node.input(place) for place in range(len(node.inputs)))))


def _chosen(node: Node) -> None:
    require_type(node.input(0), ("bool",), "its condition")
    require_same(node.output, node.input(1), node.input(2))


def _chosen_shape(node: Node) -> None:
    """The condition of a plain SELECT may be one of each element of the first axis."""
    shapes = [shape_of(node.input(place)) for place in range(3)]
    require(shapes[1] == shapes[2], f"it chooses between the shapes {shapes[1]} and {shapes[2]}")
    require(shapes[0] in (shapes[1], shapes[1][:1], (), (1,)), f"it chooses among {shapes[1]} by {shapes[0]}")
    require_shape(node.output, shapes[1])


def _shape_types(node: Node) -> None:
    require_type(node.output, INDICES, "its output")


def _shape(node: Node) -> None:
    require_shape(node.output, (len(shape_of(node.input(0))),))


RULES = {
    **dict.fromkeys(
        ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"), rules(2, _compared, _together)
    ),
    **dict.fromkeys(("LOGICAL_AND", "LOGICAL_OR"), rules(2, _logical, _together)),
    "LOGICAL_NOT": rules(1, _logical, _together),
    "SELECT": rules(3, _chosen, _chosen_shape),
    "SELECT_V2": rules(3, _chosen, _together),
    "SHAPE": rules(1, _shape_types, _shape),
}
