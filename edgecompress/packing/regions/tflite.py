"""The constant tensors of a `.tflite` file, in all of its subgraphs, and the vectors of their scales."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from edgecompress.packing.regions.region import Region

IDENTIFIER = b"TFL3"
WIDTHS = {
    "FLOAT32": 4, "FLOAT16": 2, "BFLOAT16": 2, "FLOAT64": 8, "INT8": 1, "UINT8": 1, "INT16": 2, "UINT16": 2,
    "INT32": 4, "UINT32": 4, "INT64": 8, "UINT64": 8, "BOOL": 1, "COMPLEX64": 4, "COMPLEX128": 8,
}  # fmt: skip
SHARED = {"INT4": 4, "UINT4": 4, "INT2": 2, "UINT2": 2}  # bits of numbers that share bytes
_MAX_TENSORS = 1 << 16
_DATA, _SCALE = 4, 8  # places in the tables Buffer and QuantizationParameters
_DAMAGE = (struct.error, ValueError, TypeError, IndexError, OverflowError, AttributeError)


def find(content: bytes) -> list[Region]:
    """Return the regions; of a damaged file those before the damage."""
    regions: list[Region] = []
    with suppress(*_DAMAGE):  # whatever the rest is, it is packed as bytes
        regions.extend(_regions(content))
    return regions


def _regions(content: bytes) -> Iterator[Region]:
    from ai_edge_litert import schema_py_generated as schema

    names = {code: name for name, code in vars(schema.TensorType).items() if not name.startswith("_")}
    model = schema.Model.GetRootAs(content)
    left = _MAX_TENSORS  # subgraphs and tensors together: many offsets may point to one table
    for number in range(min(model.SubgraphsLength(), left)):
        subgraph = model.Subgraphs(number)
        left -= 1
        for index in range(min(subgraph.TensorsLength(), left)):
            left -= 1
            tensor = subgraph.Tensors(index)
            yield from _constant(content, model, tensor, names.get(tensor.Type(), ""))
            yield from _scales(tensor)


def _constant(content: bytes, model: Any, tensor: Any, dtype: str) -> Iterator[Region]:
    if dtype not in WIDTHS and dtype not in SHARED:
        return
    buffer = model.Buffers(tensor.Buffer())
    if buffer.Offset() > 1:  # large files keep their constants behind the flatbuffer
        start, size_bytes = buffer.Offset(), buffer.Size()
    elif buffer.DataIsNone():
        return
    else:
        start, size_bytes = buffer._tab.Vector(buffer._tab.Offset(_DATA)), buffer.DataLength()
    if start + size_bytes > len(content):
        return
    yield Region(
        start=start,
        size_bytes=size_bytes,
        width=WIDTHS.get(dtype, 1),
        name=_name(tensor),
        dtype=dtype.lower(),
        shape=_shape(tensor),
        is_float="FLOAT" in dtype or dtype.startswith("COMPLEX"),
        bits=SHARED.get(dtype, 0),
    )


def _scales(tensor: Any) -> Iterator[Region]:
    quantization = tensor.Quantization()
    if quantization is None or quantization.ScaleIsNone():
        return
    start, count = quantization._tab.Vector(quantization._tab.Offset(_SCALE)), quantization.ScaleLength()
    yield Region(start, 4 * count, 4, f"scales of {_name(tensor)}", "float32", (count,), is_float=True)


def _name(tensor: Any) -> str:
    return (tensor.Name() or b"").decode("utf-8", "replace")


def _shape(tensor: Any) -> tuple[int, ...]:
    return () if tensor.ShapeIsNone() else tuple(tensor.Shape(axis) for axis in range(min(tensor.ShapeLength(), 16)))
