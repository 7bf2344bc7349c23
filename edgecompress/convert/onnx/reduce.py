"""Reductions along axes."""

from __future__ import annotations

from edgecompress.convert.onnx.emission import NHWC, Emission, onnx_type
from edgecompress.convert.onnx.fused_activation import store_result
from edgecompress.formats.tflite_graph import Operator

_REDUCTIONS = {"MEAN": "ReduceMean", "SUM": "ReduceSum", "REDUCE_MAX": "ReduceMax", "REDUCE_MIN": "ReduceMin"}
REDUCTIONS = tuple(_REDUCTIONS)


def reduction(emission: Emission, operator: Operator) -> None:
    """MEAN, SUM, REDUCE_MAX and REDUCE_MIN."""
    source, output = operator.inputs[0], operator.outputs[0]
    rank = len(emission.tensor(source).shape)
    axes = sorted({axis % rank for axis in emission.array(operator.inputs[1], "axes").reshape(-1).tolist()})
    keep = operator.options["keep_dims"]
    nchw = emission.has_nchw(source) and (keep or {1, 2} <= set(axes) or 3 in axes)
    value = emission.real(source, nchw=nchw)
    value = emission.node(
        _REDUCTIONS[operator.kind],
        value,
        emission.integers(*sorted(NHWC[axis] if nchw else axis for axis in axes)),
        keepdims=int(keep),
    )
    store_result(emission, operator, value, nchw=nchw and keep)


def arg_max(emission: Emission, operator: Operator) -> None:
    """ARG_MAX of the codes or numbers, as stored; the first of equal ones."""
    source, output = operator.inputs[0], operator.outputs[0]
    axis = int(emission.array(operator.inputs[1], "axes").reshape(()))
    value = emission.node("ArgMax", emission.stored(source), axis=axis, keepdims=0)
    if emission.tensor(output).dtype != "int64":
        value = emission.node("Cast", value, to=onnx_type(emission.tensor(output)))
    emission.store(output, value)
