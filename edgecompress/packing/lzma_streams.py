"""The two forms in which a packed file holds LZMA, and the choice of their parameters.

A bare stream is a raw one of LZMA1 of a known size, without what it can be decoded without: its first byte, which is
always 0, and all behind the byte with which the last symbol can be told. Its properties are lc + 9 (lp + 5 pb).

A solid stream is a raw one of LZMA2. Before it stands a byte, the distance of a delta filter: where it is not 0, each
byte is the difference from the one so far before it, modulo 256.
"""

from __future__ import annotations

import lzma
from functools import lru_cache
from itertools import product
from typing import Any

from edgecompress.packing.codings.base import damaged

QUICK = 1
EXTREME = 9 | lzma.PRESET_EXTREME
SMALL_BYTES = 1 << 14  # up to which every choice of bits is tried, and every end of a stream
LENGTHS = (273, 64, 32, 16, 12)  # of a match that is taken at once; a short one may be better for little text
SAMPLE_BYTES = 1 << 16  # that decides where there is more
SAMPLE_PIECES = 8
END_BYTES = 12  # of an end mark with the coder's last bytes, at the most
MAX_PROPERTIES = 4 + 9 * (4 + 5 * 4)
MAX_LITERAL_BITS = 4
SOLID_DELTAS = (0, 1, 2, 4)
# bits of context, of literal position, of position
_CHOICES = ((3, 0, 2), (0, 2, 2), (1, 2, 2), (0, 0, 0), (1, 0, 2), (4, 0, 2), (3, 0, 0), (0, 1, 1))
_SMALL_CHOICES = tuple(each for each in product(range(5), range(3), range(3)) if each[0] + each[1] <= MAX_LITERAL_BITS)


@lru_cache(maxsize=4)
def compress_bare(plain: bytes) -> tuple[int, bytes]:
    """Return the smallest bare stream with the byte of its properties; `plain` has at least a byte.

    What was just asked for is kept: the rest of a segment is first compressed to choose, and then to be compared.
    """
    choices = _SMALL_CHOICES if len(plain) <= SMALL_BYTES else _CHOICES
    sample = _sample(plain)
    found = [(len(stream), bits, stream) for bits in choices for stream in [_compress(sample, _bits(*bits))]]
    _, bits, stream = min(found)
    lengths = LENGTHS if len(plain) <= SMALL_BYTES else LENGTHS[: len(sample) < len(plain)]
    stream = min((_compress(plain, _bits(*bits), length) for length in lengths), key=len, default=stream)
    properties = bits[0] + 9 * (bits[1] + 5 * bits[2])
    ends = range(END_BYTES, 0, -1) if len(plain) <= SMALL_BYTES else ()
    bare = (stream[1:-end] for end in ends)
    return properties, next((each for each in bare if _decoded(properties, each, len(plain)) == plain), stream[1:])


def stream_bytes(plain: bytes) -> int:
    """Return about how large LZMA makes something, quickly."""
    return len(lzma.compress(plain, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "preset": QUICK}]))


def decompress_bare(properties: int, bare: bytes | memoryview, size_bytes: int) -> bytes:
    """Return the content of a bare stream, `size_bytes`, which are at least one.

    Raises:
        PackedFileError: it is damaged.
    """
    try:
        plain = _decoded(properties, bare, size_bytes)
    except lzma.LZMAError as error:
        raise damaged(f"its LZMA stream is none ({error})") from error
    if len(plain) != size_bytes:
        raise damaged(f"{len(plain)} bytes came out of LZMA where {size_bytes} belong")
    return plain


def compress_solid(plain: bytes) -> bytes:
    """Return the smallest solid stream with the byte before it."""
    sample, usual = _sample(plain), _CHOICES[0]
    delta = min(SOLID_DELTAS, key=lambda delta: len(_solid(sample, delta, usual)))
    bits = min(_CHOICES, key=lambda bits: len(_solid(sample, delta, bits)))
    streams = [_solid(plain, delta, bits)]
    if (delta, bits) != (0, usual):
        streams.append(_solid(plain, 0, usual))  # as xz does: never larger than that, whatever the sample said
    return min(streams, key=len)


def decompress_solid(stream: bytes | memoryview, size_bytes: int) -> bytes:
    """Return the content of a solid stream, `size_bytes`.

    Raises:
        PackedFileError: it is damaged.
    """
    if not stream:
        raise damaged("a solid segment of nothing")
    filters = _solid_filters(stream[0], {"dict_size": _dictionary_bytes(size_bytes)})
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    try:
        plain = decoder.decompress(bytes(stream[1:]), max_length=size_bytes + 1)
    except lzma.LZMAError as error:
        raise damaged(f"its LZMA stream is none ({error})") from error
    if not decoder.eof or decoder.unused_data:
        raise damaged("an LZMA stream does not end where it should")
    if len(plain) != size_bytes:
        raise damaged(f"{len(plain)} bytes came out of LZMA where {size_bytes} belong")
    return plain


def _sample(plain: bytes) -> bytes:
    """Return pieces from all over what is long: its head may be text, and all else floats."""
    if len(plain) <= SAMPLE_BYTES:
        return plain
    last = len(plain) - SAMPLE_BYTES // SAMPLE_PIECES
    starts = (last * index // (SAMPLE_PIECES - 1) // 16 * 16 for index in range(SAMPLE_PIECES))
    return b"".join(plain[start : start + SAMPLE_BYTES // SAMPLE_PIECES] for start in starts)


def _bits(literal_context: int, literal_position: int, position: int) -> dict[str, int]:
    return {"lc": literal_context, "lp": literal_position, "pb": position}


def _dictionary_bytes(size_bytes: int) -> int:
    return 1 << max(12, (size_bytes - 1).bit_length())


def _compress(plain: bytes, bits: dict[str, int], length: int = LENGTHS[0]) -> bytes:
    options = {"preset": EXTREME, "dict_size": _dictionary_bytes(len(plain)), "nice_len": length, **bits}
    return lzma.compress(plain, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, **options}])


def _decoded(properties: int, bare: bytes | memoryview, size_bytes: int) -> bytes:
    literal_context, rest = properties % 9, properties // 9
    literal_position, position = rest % 5, rest // 5
    if literal_context + literal_position > MAX_LITERAL_BITS or position > 4:
        raise damaged(f"LZMA has no properties {properties}")
    bits = _bits(literal_context, literal_position, position)
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": _dictionary_bytes(size_bytes), **bits}]
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    return decoder.decompress(b"\0" + bytes(bare), max_length=size_bytes)


def _solid(plain: bytes, delta: int, bits: tuple[int, int, int]) -> bytes:
    options = {"preset": EXTREME, "dict_size": _dictionary_bytes(len(plain)), **_bits(*bits)}
    return bytes([delta]) + lzma.compress(plain, lzma.FORMAT_RAW, filters=_solid_filters(delta, options))


def _solid_filters(delta: int, options: dict[str, int]) -> list[dict[str, Any]]:
    before = [{"id": lzma.FILTER_DELTA, "dist": delta}] if delta else []
    return [*before, {"id": lzma.FILTER_LZMA2, **options}]
