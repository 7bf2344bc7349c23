"""Elements of several bytes, taken apart: all first bytes together, all second bytes, and so on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgecompress.packing.codings.base import Coding, Source, damaged
from edgecompress.packing.wire import Writer

WIDTHS = (2, 4, 8)


@dataclass(frozen=True)
class Planes(Coding):
    """The bytes of little-endian elements by significance, the highest first.

    Where `rotated`, each element was rotated left by one bit before: a float's sign becomes its lowest bit, and the
    exponent of a float32 a byte of its own.
    """

    kind: ClassVar[int] = 2
    width: int
    rotated: bool
    planes: tuple[Coding, ...]

    @property
    def words(self) -> str:
        """Return what each plane is, the highest first."""
        return f"planes[{'; '.join(plane.words for plane in self.planes)}]"

    def write(self, parameters: Writer, payloads: Writer) -> None:
        """Write the width, and each plane."""
        parameters.byte(self.width | 0x80 * self.rotated)
        for plane in self.planes:
            plane.write_inside(parameters, payloads)

    @classmethod
    def read(cls, source: Source, size_bytes: int) -> Planes:
        """Read the width, and each plane."""
        first = source.parameters.byte()
        width = first & 0x7F
        if width not in WIDTHS or size_bytes % width:
            raise damaged(f"{size_bytes} bytes are no multiple of elements of {width} bytes")
        planes = tuple(source.coding(size_bytes // width) for _ in range(width))
        return cls(width, bool(first & 0x80), planes)

    def decode(self, size_bytes: int) -> np.ndarray:
        """Put the planes together again."""
        count = size_bytes // self.width
        together = np.empty((count, self.width), np.uint8)
        for place, plane in enumerate(self.planes):
            together[:, self.width - 1 - place] = plane.decode(count)
        if self.rotated:
            elements = together.view(f"<u{self.width}").ravel()
            bits = elements.dtype.type(8 * self.width - 1)
            together = (elements >> elements.dtype.type(1) | elements << bits).view(np.uint8)
        return together.ravel()


def split(elements: np.ndarray, *, rotated: bool) -> tuple[np.ndarray, ...]:
    """Return the planes of unsigned little-endian elements, the highest byte first."""
    width = elements.dtype.itemsize
    if rotated:
        one, rest = elements.dtype.type(1), elements.dtype.type(8 * width - 1)
        elements = elements << one | elements >> rest
    columns = np.ascontiguousarray(elements).view(np.uint8).reshape(-1, width)
    return tuple(np.ascontiguousarray(columns[:, place]) for place in range(width - 1, -1, -1))
