"""Packed files against everything that damage, chance and malice can make of them."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.errors import PackedFileError
from edgecompress.packing import segment
from edgecompress.packing.codings import Fill
from edgecompress.packing.container import segments, unpack, unpack_files, unpack_segment
from edgecompress.packing.header import (
    MAX_GENERATED_BYTES,
    MAX_SEGMENT_BYTES,
    VERSION,
    Header,
    PackedFile,
    SegmentPlace,
    content_hash,
    read_header,
    write_header,
)
from edgecompress.packing.pack import pack, pack_files
from edgecompress.packing.segment import Piece, pack_segment
from edgecompress.testing.tflite_files import T, build

RANDOM = np.random.default_rng(0)


def small_file() -> bytes:
    kernel = np.where(RANDOM.random((8, 32)) < 0.3, np.sign(RANDOM.normal(size=(8, 32))), 0).astype(np.float32)
    bias = RANDOM.normal(size=8).astype(np.float32)
    return build([T([8, 32], data=kernel * np.float32(0.3)), T([8], data=bias), T([1])], [])


CONTENT = small_file()


def resealed(files: tuple[PackedFile, ...], bodies: list[tuple[int, bytes]]) -> bytes:
    """Return a packed file whose check sums are right, whatever is in it."""
    places = tuple(SegmentPlace(raw_bytes, len(body), zlib.crc32(body)) for raw_bytes, body in bodies)
    return write_header(Header(files, places)) + b"".join(body for _, body in bodies)


with pytest.MonkeyPatch.context() as without_mixing:  # which would take minutes for all the changes below
    without_mixing.setattr(segment, "MAX_MIXED_BYTES", 0)
    COMPACT = pack(CONTENT, name="m.tflite")
MIXED = pack(b"few words")
PACKED = resealed(
    (PackedFile("m.tflite", len(CONTENT), content_hash(CONTENT)),), [(len(CONTENT), COMPACT[read_header(COMPACT)[1] :])]
)
BOTH_HEADS = pytest.mark.parametrize("packed", [COMPACT, PACKED, MIXED, pack(b""), pack(b"\0" * 99)])


def test_the_small_file_comes_back() -> None:
    assert unpack(PACKED) == CONTENT and unpack_files(PACKED) == {"m.tflite": CONTENT}
    assert len(COMPACT) < len(PACKED) < len(CONTENT)
    assert unpack(MIXED) == b"few words" and MIXED[read_header(MIXED)[1]] == segment.MIXED


@pytest.mark.parametrize(("name", "kept"), [("a/m.tflite", ".tflite"), ("m.onnx", ".onnx"), ("m", ""), ("", "")])
def test_a_compact_head_keeps_the_suffix(name: str, kept: str) -> None:
    assert unpack_files(pack(CONTENT, name=name)) == {kept: CONTENT}


@BOTH_HEADS
def test_truncation_at_every_byte_is_an_error(packed: bytes) -> None:
    for length in range(len(packed)):
        with pytest.raises(PackedFileError):
            unpack(packed[:length])
    for more in (b"\0", packed):
        with pytest.raises(PackedFileError):
            unpack(packed + more)


@BOTH_HEADS
def test_every_flipped_bit_is_an_error(packed: bytes) -> None:
    for bit in range(8 * len(packed)):
        changed = bytearray(packed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(PackedFileError):
            unpack(bytes(changed))


def test_what_no_check_sum_shows_the_hash_does() -> None:
    """A flipped bit with a right CRC-32 behind it: an error, or exactly the same bytes; never others."""
    header, start = read_header(PACKED)
    ((place, body),) = [(place, PACKED[start:]) for place in header.segments]
    same = 0
    for bit in range(8 * len(body)):
        changed = bytearray(body)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            same += unpack(resealed(header.files, [(place.raw_bytes, bytes(changed))])) == CONTENT
        except PackedFileError:
            continue
        assert same, "another file came out"
    assert same < len(body)  # a rounding, or a number in more bytes than it needs, may give the same


def test_another_hash_is_told() -> None:
    files = (PackedFile("m", 5, content_hash(b"other")),)
    with pytest.raises(PackedFileError, match="hash of 'm' differs"):
        unpack(resealed(files, [(5, b"\0abcde")]))


def test_a_file_of_no_files_is_refused() -> None:
    with pytest.raises(PackedFileError, match="holds no file"):
        unpack(write_header(Header((), ())))


def test_segments_may_end_anywhere_in_files() -> None:
    files = tuple(
        PackedFile(name, len(data), content_hash(data)) for name, data in (("a", b"abc"), ("b", b""), ("c", b"de"))
    )
    packed = resealed(files, [(1, b"\0a"), (3, b"\0bcd"), (1, b"\0e")])
    assert unpack_files(packed) == {"a": b"abc", "b": b"", "c": b"de"}
    assert list(segments(packed)) == [b"a", b"bcd", b"e"]


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_are_packed(content: bytes) -> None:
    packed = pack(content)
    assert unpack(packed) == content
    assert len(packed) <= len(content) + 12  # head, size and kind


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_unpacked_or_an_error(data: bytes) -> None:
    for packed in (data, PACKED[:9] + data, PACKED[: len(PACKED) - len(data) // 2] + data, COMPACT[:3] + data):
        if packed not in (PACKED, COMPACT):
            with pytest.raises(PackedFileError):
                unpack(packed)


FILL_SEGMENT = pack_segment(bytes(MAX_SEGMENT_BYTES), [Piece(0, MAX_SEGMENT_BYTES, 0)], [Fill(b"\0")])


def announced(size_bytes: int, segment_bytes: int) -> bytes:
    """A packed file that claims to be zeros, about 30 bytes a segment."""
    count = size_bytes // segment_bytes
    return resealed((PackedFile("zeros", size_bytes, bytes(16)),), [(segment_bytes, FILL_SEGMENT)] * count)


def test_a_bomb_is_refused_before_memory_is_used() -> None:
    bomb = announced(80 << 30, MAX_GENERATED_BYTES)
    tracemalloc.start()
    try:
        with pytest.raises(PackedFileError, match=r"unpacks to 85899345920 bytes; the limit is 2147483648") as raised:
            unpack(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "limit" in raised.value.hint
    assert peak < 1 << 20


def test_the_limit_is_that_of_all_files_together() -> None:
    packed = pack_files({"a": bytes(600), "b": bytes(500)}).data
    assert len(unpack_files(packed, limit_bytes=1100)) == 2
    with pytest.raises(PackedFileError, match="1100 bytes; the limit is 1099"):
        unpack_files(packed, limit_bytes=1099)


def test_three_gigabytes_on_paper_are_unpacked_a_segment_at_a_time() -> None:
    """Any segment is read from its own bytes, where the head says that they lie, in the memory of that segment."""
    packed = announced(3 << 30, MAX_SEGMENT_BYTES)
    header, start = read_header(packed)
    assert header.size_bytes == 3 << 30 and len(header.segments) == 3 << 9
    index = 1500
    first = start + sum(place.packed_bytes for place in header.segments[:index])
    alone = packed[first : first + header.segments[index].packed_bytes]
    tracemalloc.start()
    try:
        assert unpack_segment(header, index, alone) == bytes(MAX_SEGMENT_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 8 * MAX_SEGMENT_BYTES
    finally:
        tracemalloc.stop()
    with pytest.raises(PackedFileError, match="check sum of segment 1500"):
        unpack_segment(header, index, alone[:-1] + b"\xee")


BOMB_CHILD = """
import resource, sys
from edgecompress.errors import PackedFileError
from edgecompress.packing import unpack
data = open(sys.argv[1], "rb").read()
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    unpack(data)
except PackedFileError as error:
    print(error.message)
"""


def test_a_bomb_is_refused_within_a_gigabyte_of_address_space(tmp_path: Path) -> None:
    (tmp_path / "bomb.ecz").write_bytes(announced(80 << 30, MAX_GENERATED_BYTES))
    found = subprocess.run(
        [sys.executable, "-c", BOMB_CHILD, str(tmp_path / "bomb.ecz")],
        capture_output=True,
        text=True,
        timeout=120,
        env={"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert "85899345920" in found.stdout, found.stderr


UNPACK_CHILD = """
import json, sys
from edgecompress.packing import unpack
content = unpack(open(sys.argv[1], "rb").read())
sys.stderr.write(json.dumps([len(content), sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def test_unpack_imports_numpy_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "m.ecz").write_bytes(PACKED)
    child = [sys.executable, "-c", UNPACK_CHILD, str(tmp_path / "m.ecz")]
    found = subprocess.run(child, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parents[2])
    length, modules = json.loads(found.stderr)
    assert length == len(CONTENT)
    foreign = {"tensorflow", "tf_keras", "pydantic", "zstandard", "ai_edge_litert", "onnx", "flatbuffers", "scipy"}
    assert not foreign & set(modules), "unpack is to work where NumPy alone is"
    assert not {"click", "rich", "sklearn", "onnxruntime", "google"} & set(modules)


def test_the_version_is_the_first_that_there_is() -> None:
    assert VERSION == 1 and PACKED[8] == 1
