"""Bytes as they are, and one element again and again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgecompress.packing.codings.base import Coding, Source, damaged
from edgecompress.packing.wire import Writer

MAX_ELEMENT_BYTES = 16


@dataclass(frozen=True)
class Raw(Coding):
    """The bytes as they are."""

    kind: ClassVar[int] = 0
    data: bytes

    def write(self, parameters: Writer, payloads: Writer) -> None:
        """Write the bytes; their number is known."""
        payloads.bytes(self.data)

    @classmethod
    def read(cls, source: Source, size_bytes: int) -> Raw:
        """Read as many bytes as are asked for."""
        return cls(bytes(source.payloads.bytes(size_bytes)))

    def decode(self, size_bytes: int) -> np.ndarray:
        """Return the bytes."""
        return np.frombuffer(self.data, np.uint8)


@dataclass(frozen=True)
class Fill(Coding):
    """One element again and again."""

    kind: ClassVar[int] = 1
    element: bytes

    def write(self, parameters: Writer, payloads: Writer) -> None:
        """Write the element."""
        parameters.byte(len(self.element))
        parameters.bytes(self.element)

    @classmethod
    def read(cls, source: Source, size_bytes: int) -> Fill:
        """Read the element."""
        length = source.parameters.byte(most=MAX_ELEMENT_BYTES)
        if not length or size_bytes % length:
            raise damaged(f"{size_bytes} bytes are no multiple of an element of {length}")
        return cls(bytes(source.parameters.bytes(length)))

    def decode(self, size_bytes: int) -> np.ndarray:
        """Return the element as often as it fits."""
        return np.tile(np.frombuffer(self.element, np.uint8), size_bytes // len(self.element))
