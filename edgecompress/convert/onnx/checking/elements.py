"""Operators whose constants say where elements go, and numbers that no sum or product can have."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto

from edgecompress.convert.onnx.checking.facts import Facts, attribute

# Infinity is a bound or a filling in others; here a zero, or an infinity of the other sign, makes it NaN.
_SUMS = {"Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "BinaryConv2d"}


def number_problem(node: NodeProto, facts: Facts) -> str:
    """Which constant of a node is not a number, or infinite where the node sums products; "" for none."""
    for position, name in enumerate(node.input):
        array = facts.origin(node, position) if node.op_type in _SUMS else facts.constants.get(name)
        if array is None or array.dtype.kind != "f" or np.isfinite(array).all():
            continue
        if np.isnan(array).any():
            return f"its constant '{name}' holds NaN"
        if node.op_type in _SUMS:
            return f"its constant '{name}' holds infinity"
    return ""


def clip_problem(node: NodeProto, facts: Facts) -> str:
    """What is wrong with the bounds of a Clip; "" for nothing."""
    low, high = facts.constant(node, 1), facts.constant(node, 2)
    for bound in (low, high):
        if bound is not None and bound.shape:
            return f"its bound has the shape {bound.shape}, where a number is needed"
    if low is not None and high is not None and not low <= high:
        return f"its bounds are {low} and {high}"
    return ""


def pad_problem(node: NodeProto, facts: Facts) -> str:
    """What is wrong with the borders of a Pad; "" for nothing."""
    shape, pads, axes = facts.shape(node, 0), facts.constant(node, 1), facts.constant(node, 3)
    if shape is None or pads is None:
        return ""
    count = len(shape) if axes is None else len(axes)
    if pads.shape != (2 * count,):
        return f"it has {pads.size} borders for {count} axes"
    lengths = [shape[axis] for axis in (range(count) if axes is None else axes.tolist())]
    borders = list(zip(lengths, pads[:count].tolist(), pads[count:].tolist(), strict=True))
    if any(before + after + length < 0 for length, before, after in borders):
        return f"its borders {pads.tolist()} take away more than there is of {shape}"
    if attribute(node, "mode", b"constant") == b"reflect" and any(max(each[1:]) >= each[0] for each in borders):
        return f"it mirrors borders {pads.tolist()} of {shape}, which has no more pixels than that"
    return ""


def gather_problem(node: NodeProto, facts: Facts) -> str:
    """Which index of a Gather is beyond its axis; "" for none."""
    shape, indices, axis = facts.shape(node, 0), facts.constant(node, 1), attribute(node, "axis", 0)
    assert isinstance(axis, int)
    if shape is None or indices is None or not -len(shape) <= axis < len(shape) or not indices.size:
        return ""
    if not -shape[axis] <= indices.min() <= indices.max() < shape[axis]:
        return f"its indices go from {indices.min()} to {indices.max()} along an axis of {shape[axis]}"
    return ""
