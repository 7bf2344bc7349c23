"""Segments by themselves: pieces, the rest around them, and everything that can be wrong with them."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.errors import PackedFileError
from edgecompress.packing.codings import Coding, Fill, Raw
from edgecompress.packing.container import unpack_body
from edgecompress.packing.header import MAX_SEGMENT_BYTES
from edgecompress.packing.segment import BARE, CODED, MIXED, MIXED_FORM, NOT_COMPRESSED, STORED, Piece, pack_segment
from edgecompress.packing.wire import Reader, Writer


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_pieces_and_the_rest_come_back(data: st.DataObject) -> None:
    content = data.draw(st.binary(min_size=60, max_size=300)) * 3
    cuts = sorted(data.draw(st.sets(st.integers(0, len(content)), max_size=12)))
    arrays = data.draw(st.integers(1, 3))
    pieces = [
        Piece(start, end - start, index % arrays)
        for index, (start, end) in enumerate(zip(cuts[::2], cuts[1::2], strict=False))
    ]
    used = sorted({piece.array for piece in pieces})
    codings: list[Coding] = [
        Raw(b"".join(content[each.start : each.start + each.size_bytes] for each in pieces if each.array == array))
        for array in used
    ]
    packed = pack_segment(content, pieces, codings)
    assert unpack_body(packed, len(content)) == content
    assert len(packed) <= len(content) + 1


def test_text_is_compressed_and_noise_is_not() -> None:
    noise = np.random.default_rng(0).bytes(1000)
    assert pack_segment(noise, [], []) == bytes([STORED]) + noise
    text = b"a description of a model" * 40
    by_lzma, mixed = pack_segment(text, [], [], mixes=False), pack_segment(text, [], [])
    assert by_lzma[0] >= BARE and len(by_lzma) < 60
    assert mixed[0] == MIXED and len(mixed) < len(by_lzma)
    assert unpack_body(by_lzma, len(text)) == unpack_body(mixed, len(text)) == text


def test_what_stands_beside_payloads_is_mixed_where_that_is_worth_its_time() -> None:
    text, noise = b"a description of a model " * 9, np.random.default_rng(0).bytes(1 << 17)
    for payload, is_mixed in ((noise[:99], True), (noise, False)):
        packed = pack_segment(text + payload, [Piece(len(text), len(payload), 0)], [Raw(payload)])
        reader = Reader(packed, "a segment")
        assert reader.byte() == CODED and reader.number() + reader.number() > len(text)
        assert (reader.byte() == MIXED_FORM) == is_mixed
        assert unpack_body(packed, len(text + payload)) == text + payload


def test_noise_and_what_is_long_are_not_mixed() -> None:
    """By LZMA noise stays what it is; long text would take its decoder seconds."""
    noise = np.random.default_rng(0).bytes(2000)
    assert pack_segment(noise + bytes(50), [], [])[0] != MIXED
    assert pack_segment(b"a description of a model " * 1400, [], [])[0] >= BARE


def directory(*numbers: int, codings: bytes = b"") -> bytes:
    writer = Writer()
    for number in numbers:
        writer.number(number)
    return bytes(writer.parts) + codings


def body(directory: bytes, rest: bytes = b"", payloads: bytes = b"", **lengths: int) -> bytes:
    """Return a segment written by hand, without LZMA."""
    writer = Writer()
    writer.byte(CODED)
    writer.number(lengths.get("directory_bytes", len(directory)))
    writer.number(lengths.get("rest_bytes", len(rest)))
    writer.byte(lengths.get("properties", NOT_COMPRESSED))
    writer.number(lengths.get("lzma_bytes", len(directory) + len(rest)))
    return bytes(writer.parts) + directory + rest + payloads


FILL = bytes([Fill.kind, 1, 7])


def test_a_segment_written_by_hand() -> None:
    """Two pieces of one array with a byte of the rest before each, and one behind them."""
    written = body(directory(2, 1, 1, 0, 2, 1, 0, 1, codings=bytes([Raw.kind])), b"abc", b"XYZ")
    assert unpack_body(written, 6) == b"aXYbZc"


@pytest.mark.parametrize(
    ("written", "size_bytes", "told"),
    [
        (b"", 5, "too early"),
        (b"\5", 5, "no segment of kind 5"),
        (b"\xff", 5, "no segment of kind 255"),
        (b"\3", 5, "nothing"),
        (b"\3\0", 5, "does not end"),
        (b"\3\0\x09", 5, "stream is none"),
        (b"\3\0\1\0\3abcd\0", 5, "4 bytes came out of LZMA where 5 belong"),
        (b"\3\0\1\0\4abcde\0", 4, "does not end|5 bytes came out"),
        (b"\3\0\1\0\4abcde\0!", 5, "does not end"),
        (bytes([STORED]) + b"abcd", 5, "4 bytes where 5 belong"),
        (bytes([STORED]) + b"abcdef", 5, "6 bytes where 5 belong"),
        (body(directory(0, 0), b"abcde") + b"!", 5, "1 bytes too many"),
        (body(directory(0, 0) + b"!", b"abcde"), 5, "1 bytes too many"),
        (body(directory(0, 0), b"abc"), 5, "0 bytes where 2 are coded"),
        (body(directory(0, 0), b"abcdef"), 5, "6 where at most 5"),
        (body(directory(1, 1, 0, 0, 3, codings=FILL), b"abc"), 5, "3 where at most 2"),
        (body(directory(1, 1, 0, 1, 2, codings=FILL), b"abc"), 5, "array 1 where there are 1"),
        (body(directory(1, 1, 4, 0, 2, codings=FILL), b"abc"), 5, "the rest ends 1 bytes too early"),
        (body(directory(2, 2, 0, 0, 2, 0, 1, 0, codings=FILL * 2), b"abc"), 5, "where 2 are coded"),
        (body(directory(1, 2, 0, 0, 2), b"abc"), 5, "2 where at most 1"),
        (body(directory(1 << 15, 1), b"abc"), 5, "at most 16384"),
        (body(directory(0, 0), b"abcde", lzma_bytes=99), 5, "99 where at most 8"),
        (body(directory(0, 0), b"abcde", directory_bytes=3), 5, "7 bytes stand where 8 belong"),
        (body(directory(0, 0), b"abcde", properties=225), 5, "no properties 225"),
        (body(directory(0, 0), b"abcde", properties=253), 5, "no properties 253"),
        (body(directory(0, 0), b"abcde", properties=MIXED_FORM), 5, "."),
        (body(directory(0, 0), b"abcde", properties=MIXED_FORM, directory_bytes=32764), 5, "32769 bytes; 32768 is"),
        (b"\4abcde", 32769, "32769 bytes; 32768 is the limit"),
        (body(directory(0, 0), b"abcde", properties=8), 5, "no properties 8"),
        (body(directory(0, 0), b"abcde", properties=93), 5, "LZMA"),
        (body(b"", b"", directory_bytes=MAX_SEGMENT_BYTES + 1), 5, "at most 2097152"),
    ],
)
def test_segments_that_contradict_themselves_are_refused(written: bytes, size_bytes: int, told: str) -> None:
    with pytest.raises(PackedFileError, match=told):
        unpack_body(written, size_bytes)


def test_only_a_generated_segment_may_be_long() -> None:
    content = bytes(MAX_SEGMENT_BYTES)
    packed = pack_segment(content, [], [])
    assert unpack_body(packed, len(content)) == content
    with pytest.raises(PackedFileError, match="2097153 bytes; 2097152 is the limit"):
        unpack_body(packed, len(content) + 1)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 2000))
def test_any_bytes_are_a_segment_or_an_error(data: bytes, size_bytes: int) -> None:
    for written in (data, bytes([CODED]) + data, body(data[: len(data) // 2], data[len(data) // 2 :], data)):
        with suppress(PackedFileError):
            assert len(unpack_body(written, size_bytes)) == size_bytes
