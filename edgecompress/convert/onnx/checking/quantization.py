"""QuantizeLinear and DequantizeLinear: scales that can be divided by, and zero points that fit the codes."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto

from edgecompress.convert.onnx.checking.facts import Facts, attribute


def quantization_problem(node: NodeProto, facts: Facts) -> str:
    """What is wrong with the scheme of a node; "" for nothing.

    The scale is a number, or one for each index of `axis`; the zero point has its shape, and the type of the codes. A
    scheme a block (opset 21) has as many axes as the tensor, and is left to the runtime.
    """
    shape, scale_shape = facts.shape(node, 0), facts.shape(node, 1)
    scale, zero_point = facts.constant(node, 1), facts.constant(node, 2)
    if scale is not None and not (np.isfinite(scale).all() and (scale > 0).all()):
        return f"its scale is {_extreme(scale)}, where positive finite numbers are needed"
    if zero_point is not None and scale_shape is not None and zero_point.shape != scale_shape:
        return f"its zero point has the shape {zero_point.shape} where its scale has {scale_shape}"
    if zero_point is not None and facts.types.get(node.input[0]) == TensorProto.INT32 and zero_point.any():
        return "its zero point is not 0, where that of int32 must be"
    if attribute(node, "block_size", 0) or scale_shape in (None, ()) or shape is None:
        return ""
    axis = attribute(node, "axis", 1)
    assert isinstance(axis, int)
    if scale_shape == (1,) and axis == 1:  # for a whole tensor, as old files write it
        return ""
    if not -len(shape) <= axis < len(shape) or scale_shape != (shape[axis],):
        return f"its scale has the shape {scale_shape} for axis {axis} of the shape {shape}"
    return ""


def _extreme(scale: np.ndarray) -> float:
    wrong = scale[~(np.isfinite(scale) & (scale > 0))]
    return float(wrong.reshape(-1)[0])
