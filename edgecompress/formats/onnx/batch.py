"""Which axis of an ONNX model is the batch, and the model for a batch of one, whose work can be counted.

A free first axis of an input with several axes is the batch, unless its name says that it runs over time. Where inputs
disagree, nothing is known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from onnx import ModelProto, TensorShapeProto, ValueInfoProto

_NAME = "batch of edgecompress"  # of an axis that has none
_TIME = re.compile("seq|time|step|len|frame|sample", re.IGNORECASE)


def name_batch(model: ModelProto) -> str:
    """Give the free batch axis of a model a name, and return that; empty where there is none, or none is certain."""
    constants = {tensor.name for tensor in model.graph.initializer}
    shapes = [_shape(each) for each in model.graph.input if each.name not in constants]
    axes = [shape.dim[0] for shape in shapes if shape is not None and len(shape.dim) > 1]
    free = [axis for axis in axes if not axis.HasField("dim_value") and not _TIME.search(axis.dim_param)]
    names = {axis.dim_param for axis in free if axis.dim_param}
    if not free or len(names) > 1:
        return ""
    name = names.pop() if names else _NAME
    for axis in free:
        axis.dim_param = name
    return name


def with_batch_of_one(model: ModelProto, name: str) -> ModelProto:
    """Return a copy in which an axis of that name has the length 1 wherever the model says so."""
    copy = ModelProto()
    copy.CopyFrom(model)
    for value in (*copy.graph.input, *copy.graph.output, *copy.graph.value_info):
        shape = _shape(value)
        for axis in shape.dim if shape is not None else ():
            if axis.dim_param == name:
                axis.dim_value = 1
    return copy


def values_along(values: Iterable[ValueInfoProto], name: str, position: int) -> set[str]:
    """Return the names of the values whose axis at a position has that name."""
    axes = ((value.name, shape.dim) for value in values if (shape := _shape(value)) is not None)
    return {value for value, axis in axes if len(axis) > position and axis[position].dim_param == name}


def _shape(value: ValueInfoProto) -> TensorShapeProto | None:
    has_shape = value.type.HasField("tensor_type") and value.type.tensor_type.HasField("shape")
    return value.type.tensor_type.shape if has_shape else None
