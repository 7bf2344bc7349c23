"""The hashed index and sign of HashedNets: every weight of a large matrix is one of a few, by its place alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_PRIME_2, _PRIME_3, _PRIME_4, _PRIME_5 = (np.uint32(prime) for prime in (2246822519, 3266489917, 668265263, 374761393))
_INDEX_TAG, _SIGN_TAG = np.array([[0], [1]], np.uint32)  # arrays, since NumPy warns where a lone number overflows
_CHUNK = 1 << 20  # elements hashed at once


def xxh32_words(*words: np.ndarray, seed: int) -> np.ndarray:
    """Return XXH32 of up to three 32-bit words, as the little-endian bytes one after the other, uint32.

    The words are uint32 arrays that broadcast. All arithmetic is modulo 2^32; shorter than 16 bytes, XXH32 is

        h = seed + prime_5 + 4 words
        h = rotate(h + word prime_3, 17) prime_4, for each word
        h ^= h >> 15;  h = h prime_2;  h ^= h >> 13;  h = h prime_3;  h ^= h >> 16

    Source: the xxHash specification, github.com/Cyan4973/xxHash, doc/xxhash_spec.md.

    Raises:
        ValueError: there are four words or more, or `seed` is not in 0..2^32 - 1.
    """
    if len(words) > 3 or not 0 <= seed < 1 << 32:
        raise ValueError(f"at most 3 words and a seed of 32 bits were expected, {len(words)} and {seed} came")
    mixed: np.ndarray = np.array([seed], np.uint32) + _PRIME_5 + np.uint32(4 * len(words))
    for word in words:
        mixed = mixed + word * _PRIME_3
        mixed = (mixed << np.uint32(17) | mixed >> np.uint32(15)) * _PRIME_4
    mixed = (mixed ^ mixed >> np.uint32(15)) * _PRIME_2
    mixed = (mixed ^ mixed >> np.uint32(13)) * _PRIME_3
    return mixed ^ mixed >> np.uint32(16)


def hashed_index(shape: tuple[int, int], *, buckets: int, seed: int) -> np.ndarray:
    """Return `h(i, j) = xxh32(0, i, j; seed) mod buckets`, uint32 [rows, columns].

    Chen et al., Compressing Neural Networks with the Hashing Trick, arXiv:1504.04788.

    Raises:
        ValueError: `buckets` is not in 1..2^32 - 1, or `seed` not in 0..2^32 - 1.
    """
    if not 0 < buckets < 1 << 32:
        raise ValueError(f"1..2^32 - 1 buckets were expected, {buckets} came")
    found = np.empty(shape, np.uint32)
    for rows, hashes in _hashes(shape, _INDEX_TAG, seed):
        found[rows] = hashes % np.uint32(buckets)
    return found


def hashed_sign(shape: tuple[int, int], *, seed: int) -> np.ndarray:
    """Return `xi(i, j) = 2 (xxh32(1, i, j; seed) mod 2) - 1`, float32 [rows, columns] of +1 and -1.

    The same paper.

    Raises:
        ValueError: `seed` is not in 0..2^32 - 1.
    """
    found = np.empty(shape, np.float32)
    for rows, hashes in _hashes(shape, _SIGN_TAG, seed):
        found[rows] = (hashes & np.uint32(1)) * np.float32(2) - np.float32(1)
    return found


def hashed_index_at(rows: np.ndarray, columns: np.ndarray, *, buckets: int, seed: int) -> np.ndarray:
    """Return `hashed_index` at single places, uint32 of the places' shape."""
    words = rows.astype(np.uint32), columns.astype(np.uint32)
    return xxh32_words(_INDEX_TAG[0], *words, seed=seed) % np.uint32(buckets)


def hashed_sign_at(rows: np.ndarray, columns: np.ndarray, *, seed: int) -> np.ndarray:
    """Return `hashed_sign` at single places, float32 of the places' shape."""
    hashes = xxh32_words(_SIGN_TAG[0], rows.astype(np.uint32), columns.astype(np.uint32), seed=seed)
    return (hashes & np.uint32(1)).astype(np.float32) * np.float32(2) - np.float32(1)


def _hashes(shape: tuple[int, int], tag: np.ndarray, seed: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield stretches of rows with their hashes, so that only one stretch has intermediate results."""
    rows, columns = shape
    column = np.arange(columns, dtype=np.uint32)
    step = max(_CHUNK // max(columns, 1), 1)
    for start in range(0, rows, step):
        row = np.arange(start, min(start + step, rows), dtype=np.uint32)[:, None]
        yield slice(start, start + step), xxh32_words(tag, row, column, seed=seed)
