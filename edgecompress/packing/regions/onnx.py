"""The tensors of an `.onnx` file, found on the wire: a protobuf message says where its bytes lie to nobody else.

Field numbers are those of onnx.proto. Only stored bytes are found (`raw_data`, packed `float_data` and `double_data`),
in initializers, attributes of nodes, nested graphs and functions; and the places of external data in other files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from edgecompress.packing.regions.region import Region

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_DEPTH = 32
# which fields of a message are messages that may hold tensors
_INSIDE = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_DIMS, _TYPE, _FLOATS, _NAME, _RAW, _DOUBLES, _EXTERNAL, _LOCATION = 1, 2, 4, 8, 9, 10, 13, 14
_TYPES = {
    1: ("float32", 4), 2: ("uint8", 1), 3: ("int8", 1), 4: ("uint16", 2), 5: ("int16", 2), 6: ("int32", 4),
    7: ("int64", 8), 9: ("bool", 1), 10: ("float16", 2), 11: ("float64", 8), 12: ("uint32", 4), 13: ("uint64", 8),
    14: ("complex64", 4), 15: ("complex128", 8), 16: ("bfloat16", 2), 21: ("uint4", 1), 22: ("int4", 1),
    25: ("uint2", 1), 26: ("int2", 1),
}  # fmt: skip


@dataclass(frozen=True)
class ExternalPlace:
    """Where in which other file, named by the model, a tensor lies; `region.start` counts from there.

    Without a region the file belongs to the model all the same: its type, or where it ends, is not known.
    """

    location: str
    region: Region | None


@dataclass
class _Tensor:
    dims: list[int] = field(default_factory=list)
    dtype: int = 0
    name: str = ""
    raw: tuple[int, int] | None = None
    numbers: tuple[int, int] | None = None
    external: dict[str, str] = field(default_factory=dict)


class _Damage(Exception):
    """The bytes are no protobuf message."""


def find(content: bytes) -> tuple[list[Region], list[ExternalPlace]]:
    """Return the regions, and what lies in other files; of a damaged file those before the damage."""
    regions: list[Region] = []
    places: list[ExternalPlace] = []
    try:
        for tensor in _tensors(content, 0, len(content), "model", 0):
            found = _region(tensor)
            if tensor.external:
                places.append(ExternalPlace(tensor.external.get("location", "").removeprefix("./"), found))
            elif found is not None:
                regions.append(found)
    except _Damage:
        pass  # whatever the rest is, it is packed as bytes
    return regions, places


def _fields(content: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield number and kind of each field, with its bytes' start and end, or its value twice."""
    position = start
    while position < end:
        key, position = _varint(content, position, end)
        kind = key & 7
        if kind == _VARINT:
            value, position = _varint(content, position, end)
            yield key >> 3, kind, value, value
            continue
        if kind == _BYTES:
            length, position = _varint(content, position, end)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise _Damage
        if length > end - position:
            raise _Damage
        yield key >> 3, kind, position, position + length
        position += length


def _varint(content: bytes, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < 64:
        part = content[position]
        position += 1
        value |= (part & 0x7F) << shift
        if part < 0x80:
            return value, position
        shift += 7
    raise _Damage


def _tensors(content: bytes, start: int, end: int, message: str, depth: int) -> Iterator[_Tensor]:
    if depth > _MAX_DEPTH:
        raise _Damage
    if message == "tensor":
        yield _tensor(content, start, end)
        return
    inside = _INSIDE[message]
    for number, kind, first, last in _fields(content, start, end):
        if kind == _BYTES and number in inside:
            yield from _tensors(content, first, last, inside[number], depth + 1)


def _tensor(content: bytes, start: int, end: int) -> _Tensor:
    tensor = _Tensor()
    for number, kind, first, last in _fields(content, start, end):
        if number == _DIMS and kind == _VARINT:
            tensor.dims.append(first)
        elif number == _DIMS and kind == _BYTES:
            while first < last:
                length, first = _varint(content, first, last)
                tensor.dims.append(length)
        elif number == _TYPE and kind == _VARINT:
            tensor.dtype = first
        elif number == _NAME and kind == _BYTES:
            tensor.name = content[first:last].decode("utf-8", "replace")
        elif number == _RAW and kind == _BYTES:
            tensor.raw = first, last
        elif number in (_FLOATS, _DOUBLES) and kind == _BYTES:
            tensor.numbers = first, last
        elif number == _EXTERNAL and kind == _BYTES:
            entry = {each: content[a:b].decode("utf-8", "replace") for each, _, a, b in _fields(content, first, last)}
            tensor.external[entry.get(1, "")] = entry.get(2, "")
    return tensor


def _region(tensor: _Tensor) -> Region | None:
    if tensor.dtype not in _TYPES:
        return None
    dtype, width = _TYPES[tensor.dtype]
    is_float = "float" in dtype or dtype.startswith("complex")
    shape = tuple(tensor.dims[:16])
    bits = int(dtype[-1]) if dtype.endswith(("int4", "int2")) else 0
    if tensor.external:
        places = tensor.external.get("offset", "0"), tensor.external.get("length", "")
        if not all(each.isascii() and each.isdecimal() and len(each) < 16 for each in places):
            return None
        start, size_bytes = map(int, places)
    elif (found := tensor.raw or tensor.numbers) is not None:
        start, size_bytes = found[0], found[1] - found[0]
    else:
        return None
    return Region(start, size_bytes, width, tensor.name, dtype, shape, is_float, bits)
