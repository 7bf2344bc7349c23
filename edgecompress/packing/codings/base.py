"""What a coding is: a way to write an array of bytes, made of parameters, a payload and codings inside of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from edgecompress.errors import PackedFileError
from edgecompress.packing.wire import Reader, Writer

MAX_BYTES = 1 << 22  # that one coding expands to: four times a segment, for what is kept in wider units
MAX_SPENT_BYTES = 1 << 24  # that all codings of a segment expand to together
MAX_DEPTH = 4
FREE_STEPS = 1 << 20  # of the entropy coder in a file, and one more for so many bytes of it: what bounds the time
BYTES_PER_STEP = 8
TOO_MUCH = "The packed file is damaged: a segment asks for too much memory or time."


@dataclass
class Work:
    """How many steps of the entropy coder are left to the segments of a file."""

    steps: int

    @classmethod
    def of(cls, size_bytes: int) -> Work:
        """Return what a file of `size_bytes`, unpacked, may take."""
        return cls(FREE_STEPS + size_bytes // BYTES_PER_STEP)

    def spend(self, steps: int) -> None:
        """Raise `PackedFileError` where a file asks for more time than any that was packed."""
        self.steps -= steps
        if self.steps < 0:
            raise PackedFileError(TOO_MUCH)


@dataclass
class Source:
    """Where codings are read from: parameters, payloads, the kinds, and what may still be spent on them."""

    parameters: Reader
    payloads: Reader
    kinds: Mapping[int, type[Coding]]
    work: Work
    arrays: list[tuple[Coding, int]] = field(default_factory=list)  # those of the segment so far, with their sizes
    left_bytes: int = MAX_SPENT_BYTES
    depth: int = 0
    products: int = 0

    def coding(self, size_bytes: int) -> Coding:
        """Read the coding of an array of `size_bytes`.

        Raises:
            PackedFileError: it is damaged, or asks for too much.
        """
        self.spend(size_bytes=size_bytes)
        number = self.parameters.byte()
        if number not in self.kinds or self.depth > MAX_DEPTH:
            raise damaged(f"there is no coding {number} at depth {self.depth}")
        self.depth += 1
        coding = self.kinds[number].read(self, size_bytes)
        self.depth -= 1
        return coding

    def spend(self, *, size_bytes: int = 0, steps: int = 0) -> None:
        """Raise `PackedFileError` where a segment asks for more memory or time than any that was packed."""
        self.left_bytes -= size_bytes
        if size_bytes > MAX_BYTES or self.left_bytes < 0:
            raise PackedFileError(TOO_MUCH)
        self.work.spend(steps)


class Coding(ABC):
    """One way to write an array of bytes; its subclasses are the kinds, each with a number in the file."""

    kind: ClassVar[int]

    @property
    def words(self) -> str:
        """Return what `--explain` prints of it."""
        return type(self).__name__.lower()

    @abstractmethod
    def write(self, parameters: Writer, payloads: Writer) -> None:
        """Write the parameters, and the payload, and then the codings inside."""

    @classmethod
    @abstractmethod
    def read(cls, source: Source, size_bytes: int) -> Coding:
        """Read what `write` wrote, for an array of `size_bytes`."""

    def write_inside(self, parameters: Writer, payloads: Writer) -> None:
        """Write the kind, and then the coding."""
        parameters.byte(self.kind)
        self.write(parameters, payloads)

    @abstractmethod
    def decode(self, size_bytes: int) -> np.ndarray:
        """Return the array, uint8 [size_bytes].

        Raises:
            PackedFileError: it is damaged.
        """


def read_channels(source: Source, size_bytes: int) -> tuple[int, int]:
    """Read the channels and the inner length of float32 [outer, channels, inner], which must divide `size_bytes`."""
    places = size_bytes // 4
    channels, inner = source.parameters.number(most=places), source.parameters.number(most=places)
    if size_bytes % 4 or not channels * inner or places % (channels * inner):
        raise damaged(f"{channels} channels of {inner} do not divide {size_bytes} bytes")
    return channels, inner


def damaged(what: str) -> PackedFileError:
    """Return the error for a packed file that contradicts itself."""
    return PackedFileError(f"The packed file is damaged: {what}.", hint="Fetch or pack it again.")
