from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.numerics.hashing import hashed_index, hashed_sign, xxh32_words

PRIME_1 = 2654435761
word = st.integers(0, 2**32 - 1)


def xxh32(data: bytes, seed: int) -> int:
    """XXH32 of fewer than 16 bytes, byte by byte as the specification has it."""

    def rotate(value: int, bits: int) -> int:
        return (value << bits | value >> (32 - bits)) % 2**32

    mixed = (seed + 374761393 + len(data)) % 2**32
    while len(data) >= 4:
        mixed = rotate((mixed + int.from_bytes(data[:4], "little") * 3266489917) % 2**32, 17) * 668265263 % 2**32
        data = data[4:]
    for byte in data:
        mixed = rotate((mixed + byte * 374761393) % 2**32, 11) * PRIME_1 % 2**32
    mixed = (mixed ^ mixed >> 15) * 2246822519 % 2**32
    mixed = (mixed ^ mixed >> 13) * 3266489917 % 2**32
    return mixed ^ mixed >> 16


def sanity_bytes(length: int) -> bytes:
    """The bytes that the published vectors of xxHash hash."""
    state, made = PRIME_1, bytearray()
    for _ in range(length):
        made.append(state >> 56)
        state = state * 11400714785074694797 % 2**64
    return bytes(made)


PUBLISHED = [
    (0, 0, 0x02CC5D05),
    (0, PRIME_1, 0x36B78AE7),
    (4, 0, 0xA9DE7CE9),
    (4, PRIME_1, 0x2BAAFE83),
    (8, 0, 0xA3F6F44B),
]


@pytest.mark.parametrize(
    ("length", "seed", "expected"),
    [*PUBLISHED, (1, 0, 0xCF65B03E), (1, PRIME_1, 0xB4545AA4), (14, 0, 0x1208E7E2), (14, PRIME_1, 0x6AF1D1FE)],
)
def test_the_reference_gives_the_published_values(length: int, seed: int, expected: int) -> None:
    assert xxh32(sanity_bytes(length), seed) == expected


@pytest.mark.parametrize(("length", "seed", "expected"), PUBLISHED)
def test_words_give_the_published_values(length: int, seed: int, expected: int) -> None:
    words = np.frombuffer(sanity_bytes(length), "<u4").reshape(-1, 1)
    assert xxh32_words(*words, seed=seed).tolist() == [expected]


@given(st.lists(st.tuples(word, word, word), min_size=1, max_size=20), word)
def test_three_words_hash_as_their_bytes(triples: list[tuple[int, int, int]], seed: int) -> None:
    found = xxh32_words(*np.array(triples, np.uint32).T, seed=seed)
    assert found.tolist() == [xxh32(struct.pack("<3I", *triple), seed) for triple in triples]


@pytest.mark.filterwarnings("error")
def test_index_and_sign_are_those_of_the_place() -> None:
    shape, seed = (5, 7), 2**32 - 1
    index, sign = hashed_index(shape, buckets=11, seed=seed), hashed_sign(shape, seed=seed)
    assert index.dtype == np.uint32 and sign.dtype == np.float32
    for i, j in np.ndindex(shape):
        assert index[i, j] == xxh32(struct.pack("<3I", 0, i, j), seed) % 11
        assert sign[i, j] == 2 * (xxh32(struct.pack("<3I", 1, i, j), seed) % 2) - 1


def test_stretches_of_rows_meet() -> None:
    shape = (3000, 1000)
    index, sign = hashed_index(shape, buckets=2**32 - 1, seed=3), hashed_sign(shape, seed=3)
    for i in (0, 1047, 1048, 1049, 2096, 2097, 2999):
        assert index[i, 999] == xxh32(struct.pack("<3I", 0, i, 999), 3) % (2**32 - 1)
        assert sign[i, 999] == 2 * (xxh32(struct.pack("<3I", 1, i, 999), 3) % 2) - 1


def test_buckets_are_filled_evenly_and_signs_balance() -> None:
    shape, buckets = (784, 1000), 1000
    filled = np.bincount(hashed_index(shape, buckets=buckets, seed=1).ravel(), minlength=buckets)
    # 784 a bucket with a deviation of 28: of 1000 buckets none is six deviations off, but once in a million
    assert np.abs(filled - 784).max() < 6 * 28
    # the sum of 784000 signs has a deviation of 886
    assert abs(hashed_sign(shape, seed=1).sum(dtype=np.float64)) < 5 * 886


def test_a_seed_makes_another_matrix() -> None:
    first, second = (hashed_index((50, 50), buckets=1000, seed=seed) for seed in (0, 1))
    assert (first == second).mean() < 0.02


def test_an_empty_matrix() -> None:
    assert hashed_index((0, 5), buckets=3, seed=0).shape == (0, 5)
    assert hashed_sign((5, 0), seed=0).shape == (5, 0)


@pytest.mark.parametrize(("buckets", "seed"), [(0, 0), (2**32, 0), (1, -1), (1, 2**32)])
def test_what_is_out_of_range_is_refused(buckets: int, seed: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        hashed_index((2, 2), buckets=buckets, seed=seed)
