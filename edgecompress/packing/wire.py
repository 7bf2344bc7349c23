"""The smallest pieces of a packed file: bytes, variable-length numbers, and a reader that believes no length."""

from __future__ import annotations

from edgecompress.errors import PackedFileError

MAX_NUMBER_BYTES = 9
MAX_NUMBER = (1 << 7 * MAX_NUMBER_BYTES) - 1


class Writer:
    """Collects bytes."""

    def __init__(self) -> None:
        self.parts = bytearray()

    def byte(self, value: int) -> None:
        """Write one byte."""
        self.parts.append(value)

    def number(self, value: int) -> None:
        """Write a number of 0 .. 2^63 - 1: seven bits a byte, the lowest first, the high bit where more follow."""
        while value > 0x7F:
            self.parts.append(value & 0x7F | 0x80)
            value >>= 7
        self.parts.append(value)

    def bytes(self, data: bytes | bytearray | memoryview) -> None:
        """Write bytes as they are."""
        self.parts += data


class Reader:
    """Reads what a `Writer` wrote, and raises `PackedFileError` where there is no more."""

    def __init__(self, data: bytes | memoryview, what: str) -> None:
        self.data = memoryview(data)
        self.what = what
        self.position = 0

    @property
    def left(self) -> int:
        """Return how many bytes are left."""
        return len(self.data) - self.position

    def byte(self, *, most: int = 255) -> int:
        """Read one byte, of at most `most`."""
        return self._checked(self.bytes(1)[0], most)

    def number(self, *, most: int = MAX_NUMBER) -> int:
        """Read a number, of at most `most`."""
        value = 0
        for shift in range(0, 7 * MAX_NUMBER_BYTES, 7):
            part = self.bytes(1)[0]
            value |= (part & 0x7F) << shift
            if part < 0x80:
                return self._checked(value, most)
        raise PackedFileError(f"The packed file is damaged: {self.what} has a number beyond all bounds.")

    def bytes(self, count: int) -> memoryview:
        """Read bytes as they are."""
        if count > self.left:
            raise PackedFileError(f"The packed file is damaged: {self.what} ends {count - self.left} bytes too early.")
        self.position += count
        return self.data[self.position - count : self.position]

    def finish(self) -> None:
        """Raise `PackedFileError` if there is more than was read."""
        if self.left:
            raise PackedFileError(f"The packed file is damaged: {self.what} has {self.left} bytes too many.")

    def _checked(self, value: int, most: int) -> int:
        if value > most:
            raise PackedFileError(f"The packed file is damaged: {self.what} has {value} where at most {most} can be.")
        return value
