from __future__ import annotations

import tracemalloc
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.errors import PackedFileError
from edgecompress.packing.header import (
    MAX_HEADER_BYTES,
    VERSION,
    Header,
    PackedFile,
    SegmentPlace,
    content_hash,
    is_safe,
    read_header,
    write_header,
)

FILES = (PackedFile("model.onnx", 3 << 30, bytes(16)), PackedFile("data/größe.bin", 5, bytes(range(16))))
SEGMENTS = (SegmentPlace(3 << 30, 9, 1), SegmentPlace(5, 6, 0xFFFFFFFF))


def test_the_round_trip() -> None:
    written = write_header(Header(FILES, SEGMENTS))
    header, start = read_header(written + bytes(15))
    assert header == Header(FILES, SEGMENTS) and start == len(written)
    assert header.size_bytes == (3 << 30) + 5


def test_the_hash_is_blake2b_of_16_bytes() -> None:
    # `b2sum -l 128 /dev/null`
    assert content_hash(b"").hex() == "cae66941d9efbd404e4d88758ea67670"


@pytest.mark.parametrize("length", [14, 16])
def test_segments_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(PackedFileError, match=f"15 bytes .*, not {length}"):
        read_header(write_header(Header(FILES, SEGMENTS)) + bytes(length))


@pytest.mark.parametrize("content", [b"", b"\x89ECZ", b"PK\x03\x04" + bytes(30), b"\x89ECZ\n\x1a\n" + bytes(30)])
def test_other_files_are_told_to_be_none(content: bytes) -> None:
    with pytest.raises(PackedFileError, match="not a packed file"):
        read_header(content)


def test_another_version_is_told() -> None:
    written = bytearray(write_header(Header((), ())))
    written[8] = VERSION + 1
    with pytest.raises(PackedFileError, match=r"of version 2; version 1 can be read") as raised:
        read_header(bytes(written))
    assert "newer" in raised.value.hint


def test_a_changed_head_is_told() -> None:
    written = bytearray(write_header(Header(FILES, SEGMENTS)) + bytes(15))
    written[20] ^= 1
    with pytest.raises(PackedFileError, match="check sum of its head"):
        read_header(bytes(written))


def resealed(body: bytes) -> bytes:
    whole = write_header(Header((), ()))[:9] + len(body).to_bytes(4, "little") + body
    return whole + zlib.crc32(whole).to_bytes(4, "little")


ONE_FILE = b"\1\1m\5" + bytes(16)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "too early"),
        (b"\0\0!", "1 bytes too many"),
        (b"\xff\xff\x7f", "at most 4096"),
        (b"\1\xff\x7f", "at most 512"),
        (b"\1\1\xff\0" + bytes(16) + b"\0", "no text"),
        (b"\1\2..\5" + bytes(16) + b"\1\5\5" + bytes(4), "outside"),
        (ONE_FILE + b"\0", "files of 5 bytes, segments of others"),
        (ONE_FILE + b"\1\4\4" + bytes(4), "files of 5 bytes, segments of others"),
        (ONE_FILE + b"\1\5\7" + bytes(4), "7 where at most 6"),
        (ONE_FILE + b"\2\5\1" + bytes(4) + b"\0\1" + bytes(4), "segment of nothing"),
        (ONE_FILE + b"\1\5\0" + bytes(4), "segment of nothing"),
        (ONE_FILE + b"\xff\xff\xff\x7f", "at most"),
        (b"\2" + (b"\0\0" + bytes(16)) * 2 + b"\0", "two files of one name"),
        (b"\1\1m\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(16), "at most 1099511627776"),
    ],
)
def test_heads_that_contradict_themselves_are_refused(body: bytes, told: str) -> None:
    with pytest.raises(PackedFileError, match=told):
        read_header(resealed(body))


def test_a_head_that_announces_much_takes_no_memory() -> None:
    whole = write_header(Header((), ()))[:9] + (MAX_HEADER_BYTES + 1).to_bytes(4, "little") + bytes(100)
    tracemalloc.start()
    try:
        with pytest.raises(PackedFileError, match="a head of 4194305 bytes"):
            read_header(whole)
        with pytest.raises(PackedFileError):
            read_header(resealed(b"\xff\x1f" + ONE_FILE))
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["", "model.tflite", "data/weights.bin", "größe 2.onnx", "a..b", ".hidden", "-o"])
def test_names_that_are_kept(name: str) -> None:
    assert is_safe(name)


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../x",
        "a/../x",
        "/etc/passwd",
        "a//b",
        "./a",
        "a/",
        "C:x",
        "a\\b",
        "a\nb",
        "a\0b",
        "\u202egnp.exe",
        ".",
        "~/..",
        "//x",
    ],
)
def test_names_that_lead_elsewhere_are_not(name: str) -> None:
    assert not is_safe(name)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_head_or_an_error(body: bytes) -> None:
    for whole in (body, resealed(body), resealed(body) + bytes(7)):
        with suppress(PackedFileError):
            read_header(whole)
