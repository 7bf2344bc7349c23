from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.errors import PackedFileError
from edgecompress.packing.wire import MAX_NUMBER, Reader, Writer


@given(st.lists(st.integers(0, MAX_NUMBER)), st.binary())
def test_numbers_and_bytes_come_back(numbers: list[int], data: bytes) -> None:
    writer = Writer()
    for number in numbers:
        writer.number(number)
    writer.bytes(data)
    reader = Reader(bytes(writer.parts), "it")
    assert [reader.number() for _ in numbers] == numbers
    assert bytes(reader.bytes(len(data))) == data
    reader.finish()


def test_numbers_take_seven_bits_a_byte() -> None:
    writer = Writer()
    for number in (0, 127, 128, 300):
        writer.number(number)
    assert writer.parts == bytes([0, 127, 0x80, 1, 0xAC, 2])


@pytest.mark.parametrize(
    ("data", "most", "told"),
    [
        (b"", MAX_NUMBER, "ends 1 bytes too early"),
        (b"\x80\x80", MAX_NUMBER, "ends 1 bytes too early"),
        (b"\xff" * 9 + b"\x01", MAX_NUMBER, "beyond all bounds"),
        (b"\xff" * 1000, MAX_NUMBER, "beyond all bounds"),
        (b"\x05", 4, "5 where at most 4"),
    ],
)
def test_numbers_that_are_none_are_refused(data: bytes, most: int, told: str) -> None:
    with pytest.raises(PackedFileError, match=told):
        Reader(data, "it").number(most=most)


def test_a_reader_believes_no_length() -> None:
    reader = Reader(b"abc", "it")
    with pytest.raises(PackedFileError, match="it ends 7 bytes too early"):
        reader.bytes(10)
    with pytest.raises(PackedFileError, match="3 bytes too many"):
        reader.finish()
    with pytest.raises(PackedFileError, match="97 where at most 1"):
        reader.byte(most=1)
