from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.errors import ModelFileError
from edgecompress.numerics.codecs.huffman import MAXIMUM_LENGTH, canonical_codes, code_lengths, decode, encode

counts_of_an_alphabet = st.lists(st.integers(0, 1000), min_size=1, max_size=40).filter(any)


def test_worked_by_hand() -> None:
    # merged: 1 + 1, then 2 + 2, then 4 + 4
    lengths = code_lengths(np.array([1, 4, 0, 2, 1]))
    assert lengths.tolist() == [3, 1, 0, 2, 3]
    assert canonical_codes(lengths).tolist() == [0b110, 0b0, 0, 0b10, 0b111]
    data = encode(np.array([1, 3, 0, 4]), lengths)
    assert data == bytes([0b0_10_110_11, 0b1_0000000])
    assert decode(data, lengths, 4).tolist() == [1, 3, 0, 4]


@given(counts_of_an_alphabet.filter(lambda counts: np.count_nonzero(counts) > 1))
def test_the_mean_length_is_within_a_bit_of_the_entropy(counts: list[int]) -> None:
    lengths = code_lengths(np.array(counts))
    p = np.array(counts) / sum(counts)
    entropy = -(p[p > 0] * np.log2(p[p > 0])).sum()
    # 40 terms of at most 10 bits, each rounded at 2^-53: far below 1e-9
    assert entropy - 1e-9 <= (p * lengths).sum() < entropy + 1


def complete_lengths(symbols: int) -> Iterator[tuple[int, ...]]:
    """Every complete prefix code of an alphabet, by its lengths."""
    for lengths in itertools.product(range(1, symbols), repeat=symbols):
        if sum(2.0**-length for length in lengths) == 1:
            yield lengths


@pytest.mark.parametrize("symbols", [2, 3, 4, 5])
def test_no_code_is_shorter(symbols: int) -> None:
    generator = np.random.default_rng(symbols)
    codes = np.array(list(complete_lengths(symbols)))
    for _ in range(50):
        counts = generator.integers(1, 30, symbols)
        assert counts @ code_lengths(counts) == (codes @ counts).min()


@given(counts_of_an_alphabet, st.integers(0, 300), st.integers(0, 2**32 - 1))
def test_symbols_survive(counts: list[int], count: int, seed: int) -> None:
    symbols = np.random.default_rng(seed).choice(np.flatnonzero(counts), count)
    lengths = code_lengths(np.array(counts))
    data = encode(symbols, lengths)
    assert len(data) == (int(lengths[symbols].sum()) + 7) // 8
    assert np.array_equal(decode(data, lengths, count), symbols)


@pytest.mark.parametrize("symbols", [2, 7, 300])
def test_symbols_survive_across_stretches(symbols: int) -> None:
    drawn = np.minimum(np.random.default_rng(symbols).geometric(0.2, 200_001), symbols) - 1
    lengths = code_lengths(np.bincount(drawn))
    assert np.array_equal(decode(encode(drawn, lengths), lengths, drawn.size), drawn)


def test_the_longest_codes_survive() -> None:
    lengths = np.array([*range(1, MAXIMUM_LENGTH + 1), MAXIMUM_LENGTH], np.uint8)
    drawn = np.random.default_rng(0).integers(0, lengths.size, 20_000)
    assert np.array_equal(decode(encode(drawn, lengths), lengths, drawn.size), drawn)


def test_lengths_are_limited() -> None:
    fibonacci = [1, 1]
    while len(fibonacci) < 60:
        fibonacci.append(fibonacci[-1] + fibonacci[-2])
    lengths = code_lengths(np.array(fibonacci))
    assert lengths.max() <= MAXIMUM_LENGTH
    assert sum(2.0 ** -lengths.astype(float)) == 1


def test_a_lone_symbol_takes_one_bit() -> None:
    lengths = code_lengths(np.array([0, 9, 0]))
    assert lengths.tolist() == [0, 1, 0]
    assert encode(np.ones(9, int), lengths) == bytes(2)
    assert decode(bytes(2), lengths, 9).tolist() == [1] * 9
    with pytest.raises(ModelFileError):
        decode(b"\1\0", lengths, 9)


def test_nothing_is_nothing() -> None:
    none = np.zeros(0, int)
    for lengths in (code_lengths(none), code_lengths(np.zeros(3, int)), np.array([1, 1], np.uint8)):
        assert encode(none, lengths) == b""
        assert decode(b"", lengths, 0).size == 0


@pytest.mark.parametrize("lengths", [[1, 1, 1], [1, 2], [2], [33, 33], [200, 1], [0, 0], [-1, 1], [1.0, 1.0], [[1, 1]]])
def test_lengths_of_no_code_are_refused(lengths: list) -> None:
    with pytest.raises(ModelFileError):
        decode(b"\0", np.array(lengths), 3)


@pytest.mark.parametrize("count", [-1, 0, 3, 5, 10**15])
def test_another_count_is_refused(count: int) -> None:
    # four symbols in 9 bits: one fewer ends in the first byte, one more begins another code of three bits or less
    data, lengths = bytes([0b0_10_110_11, 0b1_1111111]), np.array([3, 1, 0, 2, 3], np.uint8)
    if count == 5:
        data = data[:1]
    with pytest.raises(ModelFileError, match="does not hold exactly"):
        decode(data, lengths, count)


@given(st.binary(max_size=20), st.lists(st.integers(0, 40), max_size=6), st.integers(-2, 200))
@settings(max_examples=300)
def test_any_bytes_are_symbols_or_refused(data: bytes, lengths: list[int], count: int) -> None:
    try:
        symbols = decode(data, np.array(lengths, np.uint8), count)
    except ModelFileError:
        return
    assert symbols.size == count
    assert all(lengths[symbol] for symbol in symbols)


@pytest.mark.parametrize("symbol", [-1, 2, 3])
def test_a_symbol_without_a_code_is_refused(symbol: int) -> None:
    with pytest.raises(ValueError, match="no code"):
        encode(np.array([symbol]), np.array([1, 1, 0], np.uint8))


@pytest.mark.parametrize("counts", [[-1, 2], [0.5, 1.0]])
def test_what_counts_nothing_is_refused(counts: list[float]) -> None:
    with pytest.raises(ValueError, match="whole counts"):
        code_lengths(np.array(counts))
