"""Codings made of two others: a codebook and indices, a mask and what it leaves, and numbers that share bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgecompress.numerics.codecs.bit_packing import pack_bits
from edgecompress.packing.codings.base import Coding, Source, damaged
from edgecompress.packing.wire import Writer

ELEMENT_BYTES = (1, 2, 4, 8, 16)
MAX_HOLES = 2
SHARED_BITS = (2, 4)


def _read_element_bytes(source: Source, size_bytes: int) -> int:
    width = source.parameters.byte()
    if width not in ELEMENT_BYTES or size_bytes % width:
        raise damaged(f"{size_bytes} bytes are no multiple of elements of {width} bytes")
    return width


@dataclass(frozen=True)
class Codebook(Coding):
    """At most 256 distinct elements, and an index into them for each place."""

    kind: ClassVar[int] = 4
    width: int
    count: int
    values: Coding
    indices: Coding

    @property
    def words(self) -> str:
        """Return the size of the codebook, and how the indices are coded."""
        return f"codebook of {self.count}[{self.indices.words}]"

    def write(self, parameters: Writer, payloads: Writer) -> None:
        """Write the size, the values and the indices."""
        parameters.byte(self.width)
        parameters.byte(self.count - 1)
        self.values.write_inside(parameters, payloads)
        self.indices.write_inside(parameters, payloads)

    @classmethod
    def read(cls, source: Source, size_bytes: int) -> Codebook:
        """Read the size, the values and the indices."""
        width = _read_element_bytes(source, size_bytes)
        count = source.parameters.byte() + 1
        values = source.coding(count * width)
        return cls(width, count, values, source.coding(size_bytes // width))

    def decode(self, size_bytes: int) -> np.ndarray:
        """Look the elements up."""
        values = self.values.decode(self.count * self.width).reshape(self.count, self.width)
        indices = self.indices.decode(size_bytes // self.width)
        if len(indices) and indices.max() >= self.count:
            raise damaged(f"an index beyond a codebook of {self.count}")
        return values[indices].ravel()


@dataclass(frozen=True)
class Sparse(Coding):
    """One element almost everywhere, or two (0 and -0, say); a mask says which and where not, the others follow.

    A place of the mask is the number of a hole, or `len(holes)` for the next of the values.
    """

    kind: ClassVar[int] = 5
    width: int
    holes: tuple[bytes, ...]
    count: int  # of values
    mask: Coding  # a byte for each place
    values: Coding

    @property
    def words(self) -> str:
        """Return how mask and values are coded."""
        return f"sparse[{self.mask.words}; {self.count} of {self.values.words}]"

    def write(self, parameters: Writer, payloads: Writer) -> None:
        """Write the holes, the mask and the values."""
        parameters.byte(self.width)
        parameters.byte(len(self.holes))
        for hole in self.holes:
            parameters.bytes(hole)
        parameters.number(self.count)
        self.mask.write_inside(parameters, payloads)
        self.values.write_inside(parameters, payloads)

    @classmethod
    def read(cls, source: Source, size_bytes: int) -> Sparse:
        """Read the holes, the mask and the values."""
        width = _read_element_bytes(source, size_bytes)
        holes = tuple(bytes(source.parameters.bytes(width)) for _ in range(source.parameters.byte(most=MAX_HOLES)))
        count = source.parameters.number(most=size_bytes // width)
        mask = source.coding(size_bytes // width)
        return cls(width, holes, count, mask, source.coding(count * width))

    def decode(self, size_bytes: int) -> np.ndarray:
        """Put holes and values where the mask says."""
        mask = self.mask.decode(size_bytes // self.width)
        filled = mask == len(self.holes)
        if np.count_nonzero(filled) != self.count or (len(mask) and mask.max() > len(self.holes)):
            raise damaged(f"a mask that does not show {self.count} values")
        holes = np.frombuffer(b"".join(self.holes) + bytes(self.width), np.uint8).reshape(-1, self.width)
        elements = holes[mask]
        elements[filled] = self.values.decode(self.count * self.width).reshape(-1, self.width)
        return elements.ravel()


@dataclass(frozen=True)
class Packed(Coding):
    """Numbers of 2 or 4 bits that share bytes, the lowest bits first; inside they have a byte each."""

    kind: ClassVar[int] = 7
    bits: int
    numbers: Coding

    @property
    def words(self) -> str:
        """Return how the numbers are coded."""
        return f"{self.bits} bits[{self.numbers.words}]"

    def write(self, parameters: Writer, payloads: Writer) -> None:
        """Write the width, and the numbers."""
        parameters.byte(self.bits)
        self.numbers.write_inside(parameters, payloads)

    @classmethod
    def read(cls, source: Source, size_bytes: int) -> Packed:
        """Read the width, and the numbers."""
        bits = source.parameters.byte()
        if bits not in SHARED_BITS:
            raise damaged(f"numbers of {bits} bits")
        return cls(bits, source.coding(size_bytes * 8 // bits))

    def decode(self, size_bytes: int) -> np.ndarray:
        """Put the numbers together into bytes."""
        numbers = self.numbers.decode(size_bytes * 8 // self.bits)
        return np.frombuffer(pack_bits(numbers & ((1 << self.bits) - 1), bits=self.bits), np.uint8)
