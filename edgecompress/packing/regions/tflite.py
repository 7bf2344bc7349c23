"""The constant tensors of a `.tflite` file, in all of its subgraphs, and the vectors of their scales."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from edgecompress.formats.tflite.tables import DAMAGE, MAX_RANK, dtypes, name_of, opened, place_of, tensors_of
from edgecompress.packing.regions.region import Region

WIDTHS = {
    "float32": 4, "float16": 2, "bfloat16": 2, "float64": 8, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2,
    "int32": 4, "uint32": 4, "int64": 8, "uint64": 8, "bool": 1, "complex64": 4, "complex128": 8,
}  # fmt: skip
SHARED = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2}  # bits of numbers that share bytes
_SCALE = 8  # the place in a table QuantizationParameters of its field scale


def find(content: bytes) -> list[Region]:
    """Return the regions; of a damaged file those before the damage."""
    regions: list[Region] = []
    with suppress(AttributeError, *DAMAGE):  # whatever the rest is, it is packed as bytes
        regions.extend(_regions(content))
    return regions


def _regions(content: bytes) -> Iterator[Region]:
    model, known = opened(content), dtypes()
    for tensor in tensors_of(model):
        yield from _constant(content, model, tensor, known.get(tensor.Type(), ""))
        yield from _scales(tensor)


def _constant(content: bytes, model: Any, tensor: Any, dtype: str) -> Iterator[Region]:
    if dtype not in WIDTHS and dtype not in SHARED:
        return
    place = place_of(model.Buffers(tensor.Buffer()))
    if place is None or sum(place) > len(content):
        return
    start, size_bytes = place
    yield Region(
        start=start,
        size_bytes=size_bytes,
        width=WIDTHS.get(dtype, 1),
        name=name_of(tensor),
        dtype=dtype,
        shape=_shape(tensor),
        is_float="float" in dtype or dtype.startswith("complex"),
        bits=SHARED.get(dtype, 0),
    )


def _scales(tensor: Any) -> Iterator[Region]:
    quantization = tensor.Quantization()
    if quantization is None or quantization.ScaleIsNone():
        return
    start, count = quantization._tab.Vector(quantization._tab.Offset(_SCALE)), quantization.ScaleLength()
    yield Region(start, 4 * count, 4, f"scales of {name_of(tensor)}", "float32", (count,), is_float=True)


def _shape(tensor: Any) -> tuple[int, ...]:
    return (
        () if tensor.ShapeIsNone() else tuple(tensor.Shape(axis) for axis in range(min(tensor.ShapeLength(), MAX_RANK)))
    )
