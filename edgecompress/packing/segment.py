"""A segment: mostly up to two mebibytes of the original files, packed by itself, so that any one can be unpacked alone.

    kind 0   the bytes as they are
    kind 1   number directory_bytes, number rest_bytes, byte form, number stream_bytes, stream of directory and rest,
             payloads; the form is 255 for bytes as they are, 254 for a mixed stream, else the properties of a bare one
    kind 2   a tensor that a method can generate; see `generated`
    kind 3   up to 64 MiB as one solid stream, for what repeats over longer distances
    kind 4   a mixed stream
    kind 16 and above   a bare stream of LZMA whose properties are the kind less 16

`lzma_streams` says what a bare stream of LZMA is, and what a solid one, `mixed_streams` what a mixed one is.

The directory lists the pieces in the order of the file (number gap_bytes, number array, number piece_bytes), then the
coding of each array. A piece follows `gap_bytes` of the rest; an array is the pieces that name it, one after another;
what is left of the rest comes last.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecompress.packing.codings import KINDS, Coding
from edgecompress.packing.codings.base import Source, Work, damaged
from edgecompress.packing.header import MAX_SEGMENT_BYTES
from edgecompress.packing.lzma_streams import SAMPLE_BYTES, compress_bare, compress_solid, decompress_bare
from edgecompress.packing.mixed_streams import MAX_MIXED_BYTES, compress_mixed, decompress_mixed
from edgecompress.packing.wire import Reader, Writer

STORED, CODED, GENERATED, SOLID, MIXED, BARE = 0, 1, 2, 3, 4, 16
MAX_PIECES = 1 << 14
NOT_COMPRESSED, MIXED_FORM = 255, 254
SMALL_PAYLOAD_BYTES = 1 << 16  # beside which some milliseconds of mixing are nothing
WORTH_MIXING = 1 / 64  # of a larger payload LZMA must make so much for a slower decoder to be worth its time
NOISE = 7 / 8  # of what is left by LZMA: codings know more of it
FEW_BYTES = 1 << 10  # of which LZMA says nothing yet


@dataclass(frozen=True)
class Piece:
    """A stretch of the segment that belongs to an array."""

    start: int
    size_bytes: int
    array: int


def pack_segment(content: bytes, pieces: list[Piece], codings: list[Coding], *, mixes: bool = True) -> bytes:
    """Return the segment, mixed if that is smaller; `pieces` are in order and do not overlap."""
    directory, payloads, rest = Writer(), Writer(), Writer()
    directory.number(len(pieces))
    directory.number(len(codings))
    end = 0
    for piece in pieces:
        directory.number(piece.start - end)
        directory.number(piece.array)
        directory.number(piece.size_bytes)
        rest.bytes(content[end : piece.start])
        end = piece.start + piece.size_bytes
    rest.bytes(content[end:])
    for coding in codings:
        coding.write_inside(directory, payloads)
    if not pieces:
        form, stream = _compress(content, 0, mixes)
        kind = {NOT_COMPRESSED: STORED, MIXED_FORM: MIXED}.get(form, BARE + form)
        return bytes([kind]) + stream
    packed = Writer()
    packed.byte(CODED)
    form, stream = _compress(bytes(directory.parts + rest.parts), len(payloads.parts), mixes)
    packed.number(len(directory.parts))
    packed.number(len(rest.parts))
    packed.byte(form)
    packed.number(len(stream))
    packed.bytes(stream)
    packed.bytes(payloads.parts)
    return bytes(packed.parts) if len(packed.parts) <= len(content) else bytes([STORED]) + content


def unpack_coded(reader: Reader, size_bytes: int, work: Work) -> bytes:
    """Return the bytes of a segment of kind 1, behind its kind.

    Raises:
        PackedFileError: it is damaged.
    """
    directory_bytes = reader.number(most=MAX_SEGMENT_BYTES)
    rest_bytes = reader.number(most=size_bytes)
    form = reader.byte()
    stream = reader.bytes(reader.number(most=reader.left))
    plain = _decompress(form, stream, directory_bytes + rest_bytes, work)
    directory, payloads = Reader(plain[:directory_bytes], "a directory"), Reader(reader.bytes(reader.left), "a segment")
    source = Source(directory, payloads, KINDS, work)
    pieces, sizes = _read_pieces(source.parameters, size_bytes - rest_bytes)
    for size in sizes:
        source.arrays.append((source.coding(size), size))
    source.parameters.finish()
    source.payloads.finish()
    arrays = [Reader(coding.decode(size).tobytes(), "an array") for coding, size in source.arrays]
    rest, whole = Reader(plain[directory_bytes:], "the rest"), Writer()
    for gap, array, length in pieces:
        whole.bytes(rest.bytes(gap))
        whole.bytes(arrays[array].bytes(length))
    whole.bytes(rest.bytes(rest.left))
    return bytes(whole.parts)


def _read_pieces(parameters: Reader, coded_bytes: int) -> tuple[list[tuple[int, int, int]], list[int]]:
    """Read the pieces, and how large each array is; together they are as large as what is coded."""
    count = parameters.number(most=MAX_PIECES)
    sizes = [0] * parameters.number(most=count)
    pieces = []
    for _ in range(count):
        gap, array = parameters.number(), parameters.number()
        length = parameters.number(most=coded_bytes)
        if array >= len(sizes):
            raise damaged(f"a piece of array {array} where there are {len(sizes)}")
        sizes[array] += length
        pieces.append((gap, array, length))
    if sum(sizes) != coded_bytes or 0 in sizes:
        raise damaged(f"pieces of {sum(sizes)} bytes where {coded_bytes} are coded")
    return pieces, sizes


def pack_solid(content: bytes) -> bytes:
    """Return a segment of one stream, or of the bytes as they are."""
    made = [bytes([SOLID]) + compress_solid(content)]
    if len(content) <= SAMPLE_BYTES:  # beyond, a bare stream is smaller by a few bytes in so many
        made.append(pack_segment(content, [], []))
    return min(*made, bytes([STORED]) + content, key=len)


def _compress(plain: bytes, payload_bytes: int, mixes: bool) -> tuple[int, bytes]:
    """Return the form and the stream of what stands beside payloads: as it is, by LZMA, or a little by mixing."""
    made = [(NOT_COMPRESSED, plain), compress_bare(plain)]
    stream_bytes = min(len(stream) for _, stream in made)
    is_known = len(plain) <= FEW_BYTES or stream_bytes < NOISE * len(plain)
    is_worth_it = payload_bytes <= SMALL_PAYLOAD_BYTES or stream_bytes > WORTH_MIXING * payload_bytes
    if mixes and is_known and is_worth_it and len(plain) <= MAX_MIXED_BYTES:
        made.append((MIXED_FORM, compress_mixed(plain)))
    return min(made, key=lambda each: len(each[1]))


def _decompress(form: int, stream: memoryview, size_bytes: int, work: Work) -> bytes:
    if form == MIXED_FORM:
        return decompress_mixed(stream, size_bytes, work)
    if form != NOT_COMPRESSED:
        return decompress_bare(form, stream, size_bytes)
    if len(stream) != size_bytes:
        raise damaged(f"{len(stream)} bytes stand where {size_bytes} belong")
    return bytes(stream)
