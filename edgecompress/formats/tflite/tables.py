"""The tables of a `.tflite` file, fetched by the schema's accessors, and where in the file their contents lie.

The accessors fetch one field at a time, and believe every offset and length in the file: `DAMAGE` is what they raise
where one points outside, and how much is fetched is up to their callers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

from edgecompress.errors import EdgeCompressError, ModelFileError

IDENTIFIER = b"TFL3"
DAMAGE = (struct.error, ValueError, TypeError, IndexError, OverflowError)
MAX_TABLES = 1 << 16  # tensors, and operators; the largest published graphs have a tenth of that
MAX_RANK = 16
_TABLE_COST = 32  # bytes that a table with its vtable and offset takes at the very least, about
_DATA = 4  # the place in a table Buffer of its field data


def opened(content: bytes) -> Any:
    """Return the schema's `Model` of a file."""
    from ai_edge_litert import schema_py_generated as schema

    return schema.Model.GetRootAs(content)


def names_of(enumeration: type) -> dict[int, str]:
    """Return the names of an enumeration of the schema by their codes."""
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


def dtypes() -> dict[int, str]:
    """Return the names of tensor types, such as "int8", by their codes."""
    from ai_edge_litert import schema_py_generated as schema

    return {code: name.lower() for code, name in names_of(schema.TensorType).items()}


def tensors_of(model: Any) -> Iterator[Any]:
    """Yield the tensors of all subgraphs, as many as there may be in all: many offsets may point to one table.

    Raises:
        ValueError: there are more.
    """
    left = MAX_TABLES
    for number in range(model.SubgraphsLength()):
        subgraph = model.Subgraphs(number)
        left -= 1
        for index in range(subgraph.TensorsLength()):
            left -= 1
            if left < 0:
                raise ValueError(f"there are more than {MAX_TABLES} tensors")
            yield subgraph.Tensors(index)
        if left < 0:
            raise ValueError(f"there are more than {MAX_TABLES} subgraphs")


def name_of(tensor: Any) -> str:
    """Return the name of a tensor."""
    return (tensor.Name() or b"").decode("utf-8", "replace")


def place_of(buffer: Any) -> tuple[int, int] | None:
    """Return where a buffer's bytes begin and how many there are; None for one that holds nothing.

    In large files they stand behind the flatbuffer. They may end beyond the file.
    """
    if buffer.Offset() > 1:
        return buffer.Offset(), buffer.Size()
    if buffer.DataIsNone():
        return None
    return buffer._tab.Vector(buffer._tab.Offset(_DATA)), buffer.DataLength()


class Budget:
    """Fetches what is paid for: all lengths in a file come out of an allowance proportional to its size.

    `doubt` gets the errors of what is odd, but legal.
    """

    def __init__(self, size_bytes: int, doubt: Callable[[EdgeCompressError], None]) -> None:
        self.doubt = doubt
        self._size_bytes = size_bytes
        self._left = 4 * size_bytes + 4096  # parts may share bytes, but not without end

    def spend(self, size_bytes: int, what: str) -> None:
        """Pay.

        Raises:
            ModelFileError: nothing is left; it names `what`, as below.
        """
        self._left -= size_bytes
        if self._left < 0:
            raise ModelFileError(f"{what}: more elements are named than {self._size_bytes} bytes can hold.")

    def tables(self, what: str, count: int, fetch: Callable[[int], Any]) -> Iterator[tuple[int, Any]]:
        """Pay for so many tables, and fetch each with its index."""
        if count > MAX_TABLES:
            raise ModelFileError(f"{count} {what} are named; {MAX_TABLES} is the limit.")
        self.spend(count * _TABLE_COST, what)
        return ((index, fetch(index)) for index in range(count))

    def vector(self, table: Any, field: str, what: str) -> list[Any]:
        """Pay for a vector of numbers, and fetch all of it."""
        if getattr(table, field + "IsNone")():
            return []
        length = getattr(table, field + "Length")()
        self.spend(4 * length, f"{what}, {field}")
        return getattr(table, field + "AsNumpy")().tolist() if length else []

    def text(self, raw: bytes | None) -> str:
        """Pay for a text, and decode it."""
        raw = raw or b""
        self.spend(len(raw), "names")
        return raw.decode("utf-8", "replace")
