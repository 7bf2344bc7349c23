"""Canonical Huffman coding: each symbol a code of its own length, all codes known from the lengths alone.

Codes stand in the stream with their highest bit first, and bit 0 of the stream is the highest of byte 0.
Huffman 1952, doi:10.1109/JRPROC.1952.273898.
"""

from __future__ import annotations

import heapq

import numpy as np

from edgecompress.errors import ModelFileError

MAXIMUM_LENGTH = 32
_CHUNK = 1 << 16  # symbols encoded, and bits decoded, at once


def code_lengths(counts: np.ndarray) -> np.ndarray:
    """Return the bits of each symbol's code, uint8 [symbols], that make `sum count length` smallest.

    Where a count is 0, so is the length. With p = count / total and `H = -sum p log2 p`, the mean length L keeps
    `H <= L < H + 1`, save that a lone symbol has a code of one bit. If a code came out longer than 32 bits, which takes
    more than 9 million occurrences, all counts are halved, rounding up, until none does; then the code may be slightly
    longer than the best.

    Raises:
        ValueError: a count is negative or not whole.
    """
    counts = np.asarray(counts)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise ValueError("whole counts of 0 or more were expected, one a symbol")
    weights = counts.astype(np.int64)
    while (lengths := _optimal_lengths(weights)).max(initial=0) > MAXIMUM_LENGTH:
        weights = (weights + 1) // 2
    return lengths.astype(np.uint8)


def canonical_codes(lengths: np.ndarray) -> np.ndarray:
    """Return each symbol's code, uint32 [symbols]: counted upwards by length, then by symbol.

    Raises:
        ModelFileError: the lengths are no complete prefix code, `sum 2^-length = 1`, nor that of a lone symbol.
    """
    symbols, starts = _ordered(lengths)
    codes = np.zeros(len(lengths), np.uint32)
    codes[symbols] = starts >> (MAXIMUM_LENGTH - np.asarray(lengths)[symbols].astype(np.uint64))
    return codes


def encode(symbols: np.ndarray, lengths: np.ndarray) -> bytes:
    """Return the codes of `symbols`, one behind the other, the last byte filled up with zeros.

    Raises:
        ValueError: a symbol has no code.
    """
    flat = np.asarray(symbols).ravel()
    if flat.size and (int(flat.min()) < 0 or int(flat.max()) >= len(lengths) or not np.all(lengths[flat])):
        raise ValueError("a symbol has no code; make the lengths from the counts of these symbols")
    aligned = canonical_codes(lengths) << (MAXIMUM_LENGTH - lengths.astype(np.uint32)) % MAXIMUM_LENGTH
    octets = aligned.astype(">u4").view(np.uint8).reshape(-1, 4)
    parts, rest = [], np.zeros(0, np.uint8)
    for start in range(0, flat.size, _CHUNK):
        chunk = flat[start : start + _CHUNK]
        used = np.arange(MAXIMUM_LENGTH) < lengths[chunk][:, None]
        bits = np.concatenate([rest, np.unpackbits(octets[chunk], axis=1)[used]])
        whole = bits.size - bits.size % 8
        parts.append(np.packbits(bits[:whole]).tobytes())
        rest = bits[whole:]
    return b"".join(parts) + np.packbits(rest).tobytes()


def decode(data: bytes, lengths: np.ndarray, count: int) -> np.ndarray:
    """Return the `count` symbols, uint32, that `encode` wrote with these lengths.

    No loop over symbols: of every bit position in a stretch of the stream, the code that would start there is looked up
    in one step, which gives the position behind it, `next`. The positions where codes do start are then found by
    doubling: if `starts` holds the first n and `next` leads n codes on, `next[starts]` are the following n, and
    `next[next]` leads 2 n codes on. Work and memory are bounded by the length of `data`, whatever it holds.

    Raises:
        ModelFileError: `data` ends early or late, or the lengths are no complete prefix code.
    """
    symbols, starts = _ordered(lengths)
    if not 0 <= count <= 8 * len(data) or (count == 0 and data) or (count and not symbols.size):
        raise _damaged(data, count)
    if symbols.size <= 1:
        if data != bytes((count + 7) // 8):
            raise _damaged(data, count)
        return np.repeat(symbols, count).astype(np.uint32)
    steps = np.asarray(lengths)[symbols].astype(np.int64)
    stream = np.frombuffer(data, np.uint8)
    parts, found, entry, first_byte = [np.zeros(0, np.int64)], 0, 0, 0
    while found < count:
        if first_byte >= stream.size:
            raise _damaged(data, count)
        ranks = np.searchsorted(starts, _windows(stream, first_byte), side="right") - 1
        positions, entry = _code_starts(steps[ranks], entry)
        parts.append(ranks[positions[: count - found]])
        found += parts[-1].size
        first_byte += _CHUNK // 8
    ranks = np.concatenate(parts)
    if (int(steps[ranks].sum()) + 7) // 8 != len(data):
        raise _damaged(data, count)
    return symbols[ranks].astype(np.uint32)


def _optimal_lengths(weights: np.ndarray) -> np.ndarray:
    lengths = np.zeros(weights.size, np.int64)
    used = np.flatnonzero(weights)
    if used.size == 1:
        lengths[used] = 1
    # the second of the key makes ties fall the same way everywhere
    heap = [(int(weights[symbol]), order, [int(symbol)]) for order, symbol in enumerate(used)]
    heapq.heapify(heap)
    for order in range(used.size, 2 * used.size - 1):
        (low, _, left), (high, _, right) = heapq.heappop(heap), heapq.heappop(heap)
        lengths[left + right] += 1
        heapq.heappush(heap, (low + high, order, left + right))
    return lengths


def _ordered(lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the symbols in the order of their codes, and those codes, uint64, aligned to the top of 32 bits."""
    lengths = np.asarray(lengths)
    flat = lengths.ravel()
    used = np.flatnonzero(flat)
    symbols = used[np.argsort(flat[used], kind="stable")]
    ordered = flat[symbols]
    fits = (
        lengths.ndim == 1 and lengths.dtype.kind in "iu" and (ordered > 0).all() and (ordered <= MAXIMUM_LENGTH).all()
    )
    shares = np.uint64(1) << (MAXIMUM_LENGTH - ordered.astype(np.uint64)) if fits else np.zeros(1, np.uint64)
    lone = symbols.size == 1 and ordered[0] == 1
    if not fits or (symbols.size and not lone and int(shares.sum()) != 1 << MAXIMUM_LENGTH):
        raise ModelFileError(
            "The code lengths of a Huffman stream are no complete prefix code.",
            hint="The file is damaged; write it again.",
        )
    return symbols, np.cumsum(shares) - shares


def _windows(stream: np.ndarray, first_byte: int) -> np.ndarray:
    """Return the 32 bits from each bit position of a stretch on, uint64, with zeros behind the end."""
    octets = stream[first_byte : first_byte + _CHUNK // 8 + 4].astype(np.uint64)
    size = min(_CHUNK // 8, octets.size)
    octets = np.pad(octets, (0, size + 4 - octets.size))
    words = sum((octets[i : size + i] << np.uint64(32 - 8 * i) for i in range(5)), np.zeros(size, np.uint64))
    shifted = words[:, None] >> np.arange(8, 0, -1, dtype=np.uint64)
    return shifted.ravel() & np.uint64(0xFFFFFFFF)


def _code_starts(steps: np.ndarray, entry: int) -> tuple[np.ndarray, int]:
    """Return the positions in this stretch where codes start, from `entry` on, and the entry to the next stretch."""
    size = steps.size
    leads = np.arange(size + MAXIMUM_LENGTH)  # positions behind the stretch lead to themselves
    leads[:size] += steps
    starts = np.array([entry])
    while starts[-1] < size:
        starts = np.concatenate([starts, leads[starts]])
        leads = leads[leads]
    return starts[starts < size], int(starts[-1]) - size


def _damaged(data: bytes, count: int) -> ModelFileError:
    return ModelFileError(
        f"A Huffman stream of {len(data)} bytes does not hold exactly {count} symbols.",
        hint="The file is damaged; write it again.",
    )
