"""Files to a packed file and back, bit for bit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from edgecompress.errors import PackedFileError
from edgecompress.packing.codings.base import Work, damaged
from edgecompress.packing.generated import unpack_generated
from edgecompress.packing.header import MAX_SEGMENT_BYTES, MAX_SOLID_BYTES, Header, read_header
from edgecompress.packing.lzma_streams import MAX_PROPERTIES, decompress_bare, decompress_solid
from edgecompress.packing.mixed_streams import decompress_mixed
from edgecompress.packing.segment import BARE, CODED, GENERATED, MIXED, SOLID, STORED, unpack_coded
from edgecompress.packing.wire import Reader

DEFAULT_LIMIT_BYTES = 1 << 31


def unpack(data: bytes, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> bytes:
    """Return the model that a packed file holds, the same bytes; of several files the first.

    Raises:
        PackedFileError: it is none, of another version, cut short, damaged, or larger than `limit_bytes` unpacked.
    """
    return next(iter(unpack_files(data, limit_bytes=limit_bytes).values()))


def unpack_files(data: bytes, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> dict[str, bytes]:
    """Return all files that a packed file holds, by name, the model first.

    Raises:
        PackedFileError: as `unpack`; or a file's hash differs.
    """
    header, _ = read_header(data)
    if header.size_bytes > limit_bytes:
        raise PackedFileError(
            f"The packed file unpacks to {header.size_bytes} bytes; the limit is {limit_bytes}.",
            hint="Raise the limit if you trust where it comes from.",
        )
    if not header.files:
        raise PackedFileError("The packed file holds no file.")
    content = b"".join(segments(data))
    files, start = {}, 0
    for file in header.files:
        part = content[start : start + file.size_bytes]
        if not file.holds(part):
            raise PackedFileError(
                f"The packed file is damaged: the hash of '{file.name}' differs after unpacking.",
                hint="Fetch it again.",
            )
        files[file.name] = part
        start += file.size_bytes
    return files


def segments(data: bytes) -> Iterator[bytes]:
    """Yield the contents of the segments in order; each needs memory for itself only.

    Raises:
        PackedFileError: the file is damaged.
    """
    header, start = read_header(data)
    work = Work.of(header.size_bytes)
    for index in range(len(header.segments)):
        packed = header.segments[index].packed_bytes
        yield unpack_segment(header, index, memoryview(data)[start : start + packed], work=work)
        start += packed


def unpack_segment(header: Header, index: int, packed: bytes | memoryview, *, work: Work | None = None) -> bytes:
    """Return the content of one segment, from its packed bytes alone; `work` is what the file has left.

    Raises:
        PackedFileError: it is damaged.
    """
    place = header.segments[index]
    if len(packed) != place.packed_bytes or zlib.crc32(packed) != place.crc32:
        raise damaged(f"the check sum of segment {index} differs")
    return unpack_body(packed, place.raw_bytes, work=work)


def unpack_body(packed: bytes | memoryview, size_bytes: int, *, work: Work | None = None) -> bytes:
    """Return the content of a segment, `size_bytes`, without looking at check sums; `work` is what its file has left.

    Raises:
        PackedFileError: it is damaged.
    """
    reader, work = Reader(packed, "a segment"), work or Work.of(size_bytes)
    kind = reader.byte()
    if MIXED < kind < BARE or kind > BARE + MAX_PROPERTIES:
        raise damaged(f"there is no segment of kind {kind}")
    most = MAX_SOLID_BYTES if kind in (STORED, SOLID) else MAX_SEGMENT_BYTES
    if kind != GENERATED and size_bytes > most:
        raise damaged(f"a segment has {size_bytes} bytes; {most} is the limit")
    if kind == STORED:
        content = bytes(reader.bytes(reader.left))
    elif kind == CODED:
        content = unpack_coded(reader, size_bytes, work)
    elif kind == SOLID:
        content = decompress_solid(reader.bytes(reader.left), size_bytes)
    elif kind == MIXED:
        content = decompress_mixed(reader.bytes(reader.left), size_bytes, work)
    elif kind >= BARE:
        content = decompress_bare(kind - BARE, reader.bytes(reader.left), size_bytes)
    else:
        content = unpack_generated(reader, size_bytes, work)
    if len(content) != size_bytes:
        raise damaged(f"a segment has {len(content)} bytes where {size_bytes} belong")
    return content
