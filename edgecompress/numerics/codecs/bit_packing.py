"""Whole numbers of a fixed number of bits, one after the other without gaps."""

from __future__ import annotations

import numpy as np

from edgecompress.errors import ModelFileError

MAXIMUM_BITS = 32
_CHUNK = 1 << 16  # values at once, a multiple of 8 so that every chunk fills whole bytes; 2 MiB of single bits


def pack_bits(values: np.ndarray, *, bits: int) -> bytes:
    """Pack whole numbers below 2^bits, lowest bit first.

    Bit i of value v is bit `p = v bits + i` of the stream, which is bit `p % 8` of byte `p // 8`. The last byte is
    filled up with zeros: `ceil(values bits / 8)` bytes come out.

    Raises:
        ValueError: `bits` is not in 1..32, or a value does not fit.
    """
    if not 1 <= bits <= MAXIMUM_BITS:
        raise ValueError(f"1..{MAXIMUM_BITS} bits a value were expected, {bits} came")
    flat = np.asarray(values).ravel()
    if flat.size and (flat.dtype.kind not in "iu" or int(flat.min()) < 0 or int(flat.max()) >> bits):
        raise ValueError(f"whole numbers in 0..{(1 << bits) - 1} were expected, for {bits} bits each")
    return b"".join(_pack(flat[start : start + _CHUNK], bits) for start in range(0, flat.size, _CHUNK))


def unpack_bits(data: bytes, *, bits: int, count: int) -> np.ndarray:
    """Return the `count` values, uint32, that `pack_bits` packed.

    Raises:
        ModelFileError: `data` has not the length that `bits` and `count` ask for.
    """
    if not 1 <= bits <= MAXIMUM_BITS or count < 0 or len(data) != (count * bits + 7) // 8:
        raise ModelFileError(
            f"{count} values of {bits} bits were expected, {len(data)} bytes came.",
            hint="The file is damaged; write it again.",
        )
    stream = np.frombuffer(data, np.uint8)
    values = np.empty(count, np.uint32)
    for start in range(0, count, _CHUNK):
        stop = min(start + _CHUNK, count)
        values[start:stop] = _unpack(stream[start * bits // 8 : (stop * bits + 7) // 8], bits, stop - start)
    return values


def _pack(values: np.ndarray, bits: int) -> bytes:
    octets = values.astype("<u4").view(np.uint8).reshape(-1, 4)
    return np.packbits(np.unpackbits(octets, axis=1, count=bits, bitorder="little"), bitorder="little").tobytes()


def _unpack(stream: np.ndarray, bits: int, count: int) -> np.ndarray:
    single = np.zeros((count, MAXIMUM_BITS), np.uint8)
    single[:, :bits] = np.unpackbits(stream, count=count * bits, bitorder="little").reshape(count, bits)
    return np.packbits(single, axis=1, bitorder="little").view("<u4").ravel()
