"""Reductions along axes."""

from __future__ import annotations

from onnx import TensorProto

from edgecompress.convert.onnx.emission import NHWC, Emission, onnx_type
from edgecompress.convert.onnx.operators.fused_activation import store_real
from edgecompress.formats.tflite.graph import Operator

_OF_NUMBERS = {"MEAN": "ReduceMean", "SUM": "ReduceSum"}
_OF_CODES = {"REDUCE_MAX": "ReduceMax", "REDUCE_MIN": "ReduceMin"}  # the order of codes is that of their numbers
_OF_TRUTHS = {"REDUCE_ANY": "ReduceMax", "REDUCE_ALL": "ReduceMin"}  # as numbers, 1 being true
REDUCTIONS = (*_OF_NUMBERS, *_OF_CODES, *_OF_TRUTHS)


def reduction(emission: Emission, operator: Operator) -> None:
    """MEAN, SUM, REDUCE_MAX and REDUCE_MIN; REDUCE_ANY and REDUCE_ALL of truths."""
    source, output, keep = operator.inputs[0], operator.outputs[0], operator.options["keep_dims"]
    rank = len(emission.tensor(source).shape)
    axes = {axis % rank for axis in emission.array(operator.inputs[1], "axes").reshape(-1).tolist()}
    # Without the axes, what is left of NCHW must be in the order of NHWC: C alone, or no C.
    nchw = emission.has_nchw(source) and (keep or axes >= {1, 2} or 3 in axes)
    indices = emission.integers(*sorted(NHWC[axis] if nchw else axis for axis in axes))
    if operator.kind in _OF_TRUTHS:
        value = emission.node("Cast", emission.stored(source, nchw=nchw), to=TensorProto.INT32)
        value = emission.node(_OF_TRUTHS[operator.kind], value, indices, keepdims=int(keep))
        emission.store(output, emission.node("Cast", value, to=TensorProto.BOOL), nchw=nchw and keep)
    elif operator.kind in _OF_CODES:
        value = emission.stored(source, nchw=nchw)
        value = emission.node(_OF_CODES[operator.kind], value, indices, keepdims=int(keep))
        emission.store(output, value, nchw=nchw and keep)
    else:
        value = emission.real(source, nchw=nchw)
        value = emission.node(_OF_NUMBERS[operator.kind], value, indices, keepdims=int(keep))
        store_real(emission, operator, value, nchw=nchw and keep)


def arg_max(emission: Emission, operator: Operator) -> None:
    """ARG_MAX, of the codes where the tensor is quantized; the first of equal ones."""
    axis = int(emission.array(operator.inputs[1], "axes").reshape(()))
    value = emission.node("ArgMax", emission.stored(operator.inputs[0]), axis=axis, keepdims=0)
    output = emission.tensor(operator.outputs[0])
    if output.dtype != "int64":
        value = emission.node("Cast", value, to=onnx_type(output))
    emission.store(output.index, value)
