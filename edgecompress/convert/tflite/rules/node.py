"""One operator with its tensors, and the questions that rules ask of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from edgecompress.formats.tflite.graph import Graph, Operator, Tensor

QUANTIZED = ("int8", "uint8", "int16", "int4", "int2")
INDICES = ("int32", "int64")
# Scales are float32 numbers, and products of two: so many roundings of 2^-24 may part what is meant to be equal.
SCALE_TOLERANCE = 4 * 2.0**-24


class Misfit(Exception):
    """Which rule an operator breaks, as the end of a sentence about it."""


class Free(Exception):
    """A shape is known only while the model runs, so that a rule of shapes says nothing."""


def require(condition: bool, rule: str) -> None:
    """Raise Misfit unless the condition holds."""
    if not condition:
        raise Misfit(rule)


@dataclass(frozen=True)
class Node:
    """An operator and its tensors; None where one is left out."""

    graph: Graph
    operator: Operator

    @cached_property
    def inputs(self) -> list[Tensor | None]:
        """The tensors that it reads."""
        return [self.graph.tensors[index] if index >= 0 else None for index in self.operator.inputs]

    @cached_property
    def outputs(self) -> list[Tensor]:
        """The tensors that it computes."""
        return [self.graph.tensors[index] for index in self.operator.outputs]

    @property
    def output(self) -> Tensor:
        """The only tensor that it computes, or the first."""
        return self.outputs[0]

    def input(self, place: int) -> Tensor:
        """A tensor that it must read."""
        tensor = self.optional(place)
        if tensor is None:
            raise Misfit(f"its input {place} is left out")
        return tensor

    def optional(self, place: int) -> Tensor | None:
        """A tensor that it may read."""
        return self.inputs[place] if place < len(self.inputs) else None

    def option(self, name: str) -> Any:
        """One of its options."""
        return self.operator.options[name]

    def integers(self, place: int) -> list[int] | None:
        """The numbers of a constant input, flat; None where it is computed."""
        tensor = self.input(place)
        require(tensor.dtype in INDICES, f"its input {place} is {tensor.dtype}; int32 is expected")
        return None if tensor.data is None else tensor.dense().reshape(-1).tolist()


@dataclass(frozen=True)
class Rules:
    """How many tensors an operator reads and computes, and what must hold of them."""

    inputs: range
    outputs: range
    checks: tuple[Callable[[Node], None], ...]

    def check(self, node: Node) -> bool:
        """Whether all rules could be looked at; raises Misfit where one is broken."""
        for what, tensors, wanted in (("inputs", node.inputs, self.inputs), ("outputs", node.outputs, self.outputs)):
            expected = f"{wanted[0]}" if len(wanted) == 1 else f"{wanted[0]} to {wanted[-1]}"
            require(len(tensors) in wanted, f"it has {len(tensors)} {what}; {expected} are expected")
        complete = True
        for check in self.checks:
            try:
                check(node)
            except Free:
                complete = False
        return complete


MANY = 1 << 16  # tensors of one operator: more than a graph may have


def rules(inputs: int | range, *checks: Callable[[Node], None], outputs: int | range = 1) -> Rules:
    """Rules of an operator with so many inputs and outputs."""
    read, made = (range(count, count + 1) if isinstance(count, int) else count for count in (inputs, outputs))
    return Rules(read, made, checks)


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """The shape; raises Free where it, or as much as the number of axes, is known only while the model runs."""
    if -1 in tensor.shape_signature or (not tensor.shape and tensor.data is None):
        raise Free
    return tensor.shape


def require_shape(tensor: Tensor, expected: Iterable[int], what: str = "its output") -> None:
    """The tensor has the shape."""
    expected = tuple(expected)
    require(shape_of(tensor) == expected, f"{what} has the shape {tensor.shape}; {expected} is expected")


def require_type(tensor: Tensor, types: tuple[str, ...], what: str) -> None:
    """The tensor is of one of the types, and quantized if it holds codes."""
    require(tensor.dtype in types, f"{what} is {tensor.dtype}; {' or '.join(types)} is expected")


def require_same(*tensors: Tensor) -> None:
    """All tensors are of one type, and hold codes of one scale and zero point."""
    first = tensors[0]
    for other in tensors[1:]:
        require(other.dtype == first.dtype, f"'{other.name}' is {other.dtype} where '{first.name}' is {first.dtype}")
        require(
            is_same_scheme(first, other),
            f"'{other.name}' has {scheme_of(other)} where '{first.name}' has {scheme_of(first)}, "
            "and it computes with the codes as they are",
        )


def same_as_input(node: Node) -> None:
    """All that it computes is of the type and scale of its first input."""
    require_same(node.input(0), *node.outputs)


def require_codes(tensor: Tensor, what: str) -> None:
    """A tensor of a type for codes has one scale and one zero point."""
    if tensor.dtype in QUANTIZED:
        require(tensor.quant is not None, f"{what} is {tensor.dtype} without a scale")
        require(tensor.quant is None or tensor.quant.axis is None, f"{what} has a scale for each channel")


def is_same_scheme(first: Tensor, second: Tensor) -> bool:
    """Whether equal codes of both are equal numbers."""
    if first.dtype not in QUANTIZED or first.quant is None or second.quant is None:
        return first.dtype not in QUANTIZED or first.quant is second.quant
    close = np.allclose(first.quant.scales, second.quant.scales, rtol=SCALE_TOLERANCE, atol=0)
    return close and first.quant.zero_points == second.quant.zero_points and first.quant.axis == second.quant.axis


def scheme_of(tensor: Tensor) -> str:
    """The scale and zero point of a tensor in words."""
    if tensor.quant is None:
        return "no scale"
    return f"the scale {tensor.quant.scales[0]:g} and the zero point {tensor.quant.zero_points[0]}"


def broadcast(*tensors: Tensor) -> tuple[int, ...]:
    """The shape that tensors have together."""
    try:
        return np.broadcast_shapes(*map(shape_of, tensors))
    except ValueError:
        raise Misfit(f"its inputs' shapes {[tensor.shape for tensor in tensors]} do not fit together") from None


def axis_of(axis: int, rank: int) -> int:
    """An axis counted from the front."""
    require(-rank <= axis < rank, f"its axis {axis} is none of {rank}")
    return axis % rank
