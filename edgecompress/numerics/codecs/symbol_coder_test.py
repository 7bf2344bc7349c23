"""Symbols come back whatever their alphabet and order, as small as the model allows, and from no damaged stream."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.errors import PackedFileError
from edgecompress.numerics.codecs.symbol_coder import (
    SymbolCoding,
    code_length_bits,
    context_of_each,
    decode,
    encode,
    probabilities,
    steps,
)


@st.composite
def codings(draw: st.DrawFn) -> SymbolCoding:
    alphabet = draw(st.integers(1, 256))
    return SymbolCoding(
        alphabet=alphabet,
        width=draw(st.integers(1, 300)),
        lanes=1 << draw(st.integers(0, 8)),
        prior=draw(st.integers(0, 255)),
        origin=draw(st.integers(0, alphabet - 1)),
        thresholds=tuple(sorted(draw(st.sets(st.integers(0, 4095), max_size=15)))),
        shift=draw(st.integers(0, 7)),
        by_row=draw(st.booleans()),
        initial=draw(st.integers(0, 0xFF00)),
    )


def skewed(coding: SymbolCoding, count: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (coding.alphabet * random.random(count) ** random.integers(1, 20)).astype(np.int64)


@settings(max_examples=150, deadline=None)
@given(coding=codings(), count=st.integers(0, 1500), seed=st.integers(0, 999))
def test_the_round_trip(coding: SymbolCoding, count: int, seed: int) -> None:
    symbols = skewed(coding, count, seed)
    found = decode(encode(symbols, coding), count, coding)
    assert found.dtype == np.uint8 and found.tolist() == symbols.tolist()


@pytest.mark.parametrize("by_row", [False, True])
@pytest.mark.parametrize("beyond", [0, 1, 3])
def test_many_rows_with_a_shorter_last_one(by_row: bool, beyond: int) -> None:
    coding = SymbolCoding(16, 50, 8, thresholds=(100, 300, 900), by_row=by_row, initial=500)
    symbols = skewed(coding, 50 * 400 + beyond, 1)
    assert decode(encode(symbols, coding), len(symbols), coding).tolist() == symbols.tolist()
    assert len(set(context_of_each(symbols, coding))) > 1


def test_steps_are_chunks_of_rows() -> None:
    assert steps(11, SymbolCoding(2, 5, 2)).tolist() == [0, 2, 4, 5, 7, 9, 10, 11]
    assert steps(3, SymbolCoding(2, 5, 8)).tolist() == [0, 3]
    assert steps(0, SymbolCoding(2, 5, 8)).tolist() == [0]


@pytest.mark.parametrize("alphabet", [2, 16, 256])
@pytest.mark.parametrize("count", [5000, 60000])
def test_the_coder_reaches_the_entropy_of_its_model(alphabet: int, count: int) -> None:
    # A lane ends with a state of 4 bytes, of which at most 2 are spent: here 4 a lane of at least 512 bytes, below 1 %.
    for seed in range(3):
        plain = SymbolCoding(alphabet, count, 1)
        symbols = skewed(plain, count, seed)
        best = code_length_bits(probabilities(symbols, plain)[0]) / 8
        lanes = 1 << max(0, int(best / 512).bit_length() - 1)
        coding = replace(plain, lanes=min(256, lanes))
        best = code_length_bits(probabilities(symbols, coding)[0]) / 8
        assert best <= len(encode(symbols, coding)) + 1e-6 <= 1.01 * best + 64


def test_the_model_reaches_the_entropy_of_its_source() -> None:
    symbols = (np.random.default_rng(0).random(200_000) < 0.05).astype(np.int64)
    ideal = -(0.05 * np.log2(0.05) + 0.95 * np.log2(0.95)) * len(symbols) / 8
    # the share that was drawn is within 4 standard deviations, 4 sqrt(0.05 * 0.95 / n) = 0.2 %, or 4 % of the code
    # (its slope is log2(19) = 4.25 bits); what is learnt costs less than 1 %
    assert len(encode(symbols, SymbolCoding(2, 200_000, 16))) < 1.05 * ideal


def test_contexts_pay_where_channels_differ() -> None:
    random = np.random.default_rng(0)
    shares = np.linspace(0.01, 0.99, 64)
    symbols = (random.random((600, 64)) < shares).astype(np.int64).ravel()
    plain = SymbolCoding(2, 64, 16)
    told = replace(plain, thresholds=(400, 1200, 2000, 2800, 3600), shift=5, initial=0x7F00)
    # the entropy of the mean share is 1 bit, the mean of the channels' entropies 0.72; half of the gap is asked for
    assert len(encode(symbols, told)) < 0.86 * len(encode(symbols, plain))


STREAM_CODING = SymbolCoding(5, 40, 4, thresholds=(500, 1500), by_row=True, initial=3000)
STREAM_SYMBOLS = skewed(STREAM_CODING, 500, 3)
STREAM = encode(STREAM_SYMBOLS, STREAM_CODING)


def test_every_shortened_or_extended_stream_is_refused() -> None:
    for length in range(len(STREAM)):
        with pytest.raises(PackedFileError):
            decode(STREAM[:length], 500, STREAM_CODING)
    for more in (b"\0", b"\0\0", b"\1\2\3\4", STREAM):
        with pytest.raises(PackedFileError):
            decode(STREAM + more, 500, STREAM_CODING)


@pytest.mark.parametrize("count", [0, 1, 499, 501, 5000])
def test_another_number_of_symbols_is_refused(count: int) -> None:
    with pytest.raises(PackedFileError):
        decode(STREAM, count, STREAM_CODING)


@settings(max_examples=80, deadline=None)
@given(coding=codings(), stream=st.binary(max_size=1200), count=st.integers(1, 600))
def test_random_streams_end_in_symbols_or_an_error(coding: SymbolCoding, stream: bytes, count: int) -> None:
    try:
        found = decode(stream, count, coding)
    except PackedFileError:
        return
    assert len(found) == count and found.max() < coding.alphabet


def test_every_flipped_bit_is_noticed_or_gives_other_symbols() -> None:
    for bit in range(0, 8 * len(STREAM), 7):
        changed = bytearray(STREAM)
        changed[bit // 8] ^= 1 << bit % 8
        try:
            found = decode(bytes(changed), 500, STREAM_CODING)
        except PackedFileError:
            continue
        assert found.tolist() != STREAM_SYMBOLS.tolist()
