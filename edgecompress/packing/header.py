"""The head of a packed file: which files it holds, their sizes and hashes, and where each segment lies.

    8 bytes  89 45 43 5A 0D 0A 1A 0A: no text, and damaged by whatever changes line ends
    byte     version
    4 bytes  length of what follows, little-endian
             number files; each: number name_bytes, name, number size_bytes, BLAKE2b-128 of the content
             number segments; each: number raw_bytes, number packed_bytes, CRC-32 of the packed bytes
    4 bytes  CRC-32 of all before

Then the segments, one after another, and nothing behind them. Together they unpack to the files one after another.

A single file of one segment has a compact head instead, which weighs less:

    2 bytes  89 45
    byte     the suffix that stands for its name: 74 .tflite, 6F .onnx, 7A none
             number size_bytes
    4 bytes  the first ones of the BLAKE2b-128 of the content, exclusive-or the CRC-32 (little-endian) of all else

Then the one segment up to the end; none where the file is empty.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from operator import xor
from pathlib import PurePosixPath

from edgecompress.errors import PackedFileError
from edgecompress.packing.wire import Reader, Writer

MAGIC = b"\x89ECZ\r\n\x1a\n"
COMPACT_MAGIC = {".tflite": b"\x89Et", ".onnx": b"\x89Eo", "": b"\x89Ez"}  # by suffix
VERSION = 1
HASH_BYTES = 16
COMPACT_MAGIC_BYTES = 3
CHECK_BYTES = 4
MAX_HEADER_BYTES = 1 << 22
MAX_FILES = 1 << 12
MAX_NAME_BYTES = 512
MAX_SIZE_BYTES = 1 << 40  # of all files together
MAX_SEGMENT_BYTES = 1 << 21  # of a segment, unpacked; one that is solid or generated may have more
MAX_SOLID_BYTES = 1 << 26
MAX_GENERATED_BYTES = 1 << 32
MAX_PACKED_BYTES = MAX_SOLID_BYTES + 1  # of a segment, packed; never more than one byte above the unpacked


# Control characters, separators other than the space, formats, surrogates and private use: what no name may have. The
# list is the format's own, because what a language calls printable depends on its version of Unicode.
UNPRINTABLE = (
    (0x0, 0x1F), (0x7F, 0xA0), (0xAD, 0xAD), (0x600, 0x605), (0x61C, 0x61C), (0x6DD, 0x6DD), (0x70F, 0x70F),
    (0x890, 0x891), (0x8E2, 0x8E2), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200F), (0x2028, 0x202F),
    (0x205F, 0x206F), (0x3000, 0x3000), (0xD800, 0xF8FF), (0xFDD0, 0xFDEF), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB),
    (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x13438), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A),
    (0xE0000, 0xE00FF), (0xE01F0, 0x10FFFF),
)  # fmt: skip


@dataclass(frozen=True)
class PackedFile:
    """A file inside: name (relative, with slashes; empty or a suffix where none was kept), size, hash or its start."""

    name: str
    size_bytes: int
    blake2b: bytes

    def holds(self, content: bytes) -> bool:
        """Return whether the content has the hash."""
        return content_hash(content)[: len(self.blake2b)] == self.blake2b


@dataclass(frozen=True)
class SegmentPlace:
    """A segment: how many bytes of the files it holds, how many of the packed file it takes, and their CRC-32."""

    raw_bytes: int
    packed_bytes: int
    crc32: int


@dataclass(frozen=True)
class Header:
    """What is known before anything is unpacked."""

    files: tuple[PackedFile, ...]
    segments: tuple[SegmentPlace, ...]

    @property
    def size_bytes(self) -> int:
        """Return how large all files are together."""
        return sum(file.size_bytes for file in self.files)


def content_hash(content: bytes | memoryview) -> bytes:
    """Return the BLAKE2b hash of 16 bytes (RFC 7693)."""
    return hashlib.blake2b(content, digest_size=HASH_BYTES).digest()


def is_compact(packed: bytes | memoryview) -> bool:
    """Return whether a packed file begins with a compact head."""
    return bytes(packed[:COMPACT_MAGIC_BYTES]) in COMPACT_MAGIC.values()


def write_compact(name: str, content: bytes, body: bytes) -> bytes:
    """Return a packed file of one segment with a compact head, which keeps of the file's name the suffix at most."""
    head = Writer()
    head.bytes(COMPACT_MAGIC.get(PurePosixPath(name).suffix, COMPACT_MAGIC[""]))
    head.number(len(content))
    check = zlib.crc32(body, zlib.crc32(head.parts))
    head.bytes(_exclusive_or(content_hash(content), check))
    return bytes(head.parts) + body


def write_header(header: Header) -> bytes:
    """Return the bytes of a head."""
    body = Writer()
    body.number(len(header.files))
    for file in header.files:
        name = file.name.encode()
        body.number(len(name))
        body.bytes(name)
        body.number(file.size_bytes)
        body.bytes(file.blake2b)
    body.number(len(header.segments))
    for segment in header.segments:
        body.number(segment.raw_bytes)
        body.number(segment.packed_bytes)
        body.bytes(segment.crc32.to_bytes(CHECK_BYTES, "little"))
    whole = MAGIC + bytes([VERSION]) + len(body.parts).to_bytes(4, "little") + bytes(body.parts)
    return whole + zlib.crc32(whole).to_bytes(CHECK_BYTES, "little")


def read_header(data: bytes | memoryview) -> tuple[Header, int]:
    """Return the head of a packed file, and where the segments begin; the file must be exactly as long as they say.

    Raises:
        PackedFileError: no packed file, another version, cut short, or damaged; says which.
    """
    whole = Reader(data, "its head")
    if is_compact(data):
        return _read_compact(whole)
    if bytes(whole.data[: len(MAGIC)]) != MAGIC:
        raise PackedFileError(
            "This is not a packed file: its first bytes are others.",
            hint="`edgecompress pack` makes one, with the suffix .ecz.",
        )
    whole.bytes(len(MAGIC))
    if (version := whole.byte()) != VERSION:
        raise PackedFileError(
            f"This packed file is of version {version}; version {VERSION} can be read.",
            hint="Use a newer edgecompress.",
        )
    length = int.from_bytes(whole.bytes(4), "little")
    if length > MAX_HEADER_BYTES:
        raise PackedFileError(f"The packed file is damaged: a head of {length} bytes.")
    body = Reader(whole.bytes(length), "its head")
    checked = zlib.crc32(whole.data[: whole.position])
    if int.from_bytes(whole.bytes(CHECK_BYTES), "little") != checked:
        raise PackedFileError("The packed file is damaged: the check sum of its head differs.", hint="Fetch it again.")
    files = tuple(_read_file(body) for _ in range(body.number(most=MAX_FILES)))
    segments = tuple(_read_segment(body) for _ in range(body.number(most=length)))
    body.finish()
    header = Header(files, segments)
    if header.size_bytes > MAX_SIZE_BYTES or header.size_bytes != sum(each.raw_bytes for each in segments):
        raise PackedFileError(f"The packed file is damaged: files of {header.size_bytes} bytes, segments of others.")
    if (expected := sum(each.packed_bytes for each in segments)) != whole.left:
        raise PackedFileError(
            f"The packed file is cut short or damaged: {expected} bytes belong behind its head, not {whole.left}.",
            hint="Fetch it again.",
        )
    if len({file.name for file in files}) != len(files):
        raise PackedFileError("The packed file is damaged: two files of one name.")
    return header, whole.position


def _read_compact(whole: Reader) -> tuple[Header, int]:
    magic = bytes(whole.bytes(COMPACT_MAGIC_BYTES))
    name = next(suffix for suffix, each in COMPACT_MAGIC.items() if each == magic)
    size_bytes = whole.number(most=MAX_GENERATED_BYTES)
    head, check = whole.data[: whole.position], whole.bytes(CHECK_BYTES)
    packed = whole.data[whole.position :]
    files = (PackedFile(name, size_bytes, _exclusive_or(check, zlib.crc32(packed, zlib.crc32(head)))),)
    most = min(size_bytes + 1, MAX_PACKED_BYTES) if size_bytes else 0
    if not bool(size_bytes) <= len(packed) <= most:
        raise PackedFileError(
            f"The packed file is cut short or damaged: {len(packed)} bytes hold {size_bytes}.", hint="Fetch it again."
        )
    segments = (SegmentPlace(size_bytes, len(packed), zlib.crc32(packed)),) if size_bytes else ()
    return Header(files, segments), whole.position


def _read_file(body: Reader) -> PackedFile:
    raw = bytes(body.bytes(body.number(most=MAX_NAME_BYTES)))
    try:
        name = raw.decode()
    except UnicodeDecodeError as error:
        raise PackedFileError("The packed file is damaged: a name that is no text.") from error
    if not is_safe(name):
        raise PackedFileError(f"The packed file names {name[:80]!r}, which lies outside of where it is unpacked.")
    return PackedFile(name, body.number(most=MAX_SIZE_BYTES), bytes(body.bytes(HASH_BYTES)))


def _read_segment(body: Reader) -> SegmentPlace:
    raw_bytes = body.number(most=MAX_GENERATED_BYTES)
    packed_bytes = body.number(most=min(raw_bytes + 1, MAX_PACKED_BYTES))
    if not raw_bytes or not packed_bytes:
        raise PackedFileError("The packed file is damaged: a segment of nothing.")
    return SegmentPlace(raw_bytes, packed_bytes, int.from_bytes(body.bytes(CHECK_BYTES), "little"))


def _exclusive_or(check: bytes | memoryview, crc32: int) -> bytes:
    return bytes(map(xor, check[:CHECK_BYTES], crc32.to_bytes(CHECK_BYTES, "little")))


def _is_unprintable(code: int) -> bool:
    return code & 0xFFFE == 0xFFFE or any(first <= code <= last for first, last in UNPRINTABLE)


def is_safe(name: str) -> bool:
    """Return whether a name is a relative path of printable characters that stays where it is put."""
    if not name:
        return True
    path = PurePosixPath(name)
    return (
        not any(map(_is_unprintable, map(ord, name)))
        and not path.is_absolute()
        and str(path) == name
        and bool(path.parts)
        and ".." not in path.parts
        and "\\" not in name
        and ":" not in name
    )
