"""Context mixing: the same bytes back, whatever they are; its tables; and what it is for."""

from __future__ import annotations

import lzma
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.numerics.codecs import context_mixing
from edgecompress.numerics.codecs.context_mixing import MOST_LOGIT, decode, encode

PRIMER = b"a sentence that comes again"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=30), max_size=4), st.integers(1, 3), st.sampled_from([b"", PRIMER]))
def test_the_same_bytes_come_back(parts: list[bytes], times: int, primer: bytes) -> None:
    plain = b"".join(parts) * times
    stream = encode(plain, primer)
    assert decode(stream, len(plain), primer) == plain
    assert len(stream) <= 1.1 * len(plain) + 2
    assert not stream.endswith(b"\0")


@settings(max_examples=25, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 60))
def test_any_bytes_are_a_stream_and_zeros_behind_it_are_nothing(stream: bytes, size_bytes: int) -> None:
    plain = decode(stream, size_bytes)
    assert len(plain) == size_bytes
    assert decode(stream + b"\0\0", size_bytes) == plain


def test_nothing_is_a_stream_of_nothing() -> None:
    assert encode(b"", PRIMER) == b"" == decode(b"", 0, PRIMER)


def test_a_primer_knows_what_comes_and_is_needed_to_decode() -> None:
    alone, primed = encode(PRIMER), encode(PRIMER, PRIMER)
    assert len(primed) < len(alone) / 3
    assert decode(primed, len(PRIMER)) != PRIMER
    assert encode(PRIMER, PRIMER) == primed, "a stream teaches nothing to the next"


def test_what_repeats_costs_bits_only() -> None:
    once = np.random.default_rng(0).bytes(150)
    assert len(encode(once * 20)) < len(encode(once)) + 25


def test_little_text_is_smaller_than_by_lzma() -> None:
    text = b"The model was trained on images of clothes; the weights of its layers were quantized to eight bits. " * 2
    raw = lzma.compress(text, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME}])
    assert len(encode(text)) < 0.85 * len(raw)


def test_carries_go_through_bytes_that_are_full() -> None:
    stream = bytearray(b"\x01\xff\xff")
    context_mixing._carry(stream)
    assert stream == b"\x02\0\0"


def test_the_tables_are_the_logistic_function_and_its_inverse() -> None:
    """Its odds are made of 2047 truncated products, each wrong by less than 2^-20: together by less than 0.2 %."""
    for logit in range(-MOST_LOGIT, MOST_LOGIT + 1, 89):
        odds = math.exp(logit * 12 / 2048)
        found = context_mixing._CHANCES[logit + MOST_LOGIT] / 65536
        assert abs(found - odds / (1 + odds)) < 0.002 * found + 2**-16
    back = [context_mixing._LOGITS[chance >> 4] for chance in context_mixing._CHANCES]
    middle = range(MOST_LOGIT - 600, MOST_LOGIT + 601)  # where a step of a chance's upper bits is less than 12 logits
    assert all(abs(back[index] - (index - MOST_LOGIT)) <= 12 for index in middle)
    assert back == sorted(back)


def test_a_first_chance_halves_its_distance_to_each_bit() -> None:
    assert context_mixing._first_chance(0b1) == 32768
    assert context_mixing._first_chance(0b11) == 49152
    assert context_mixing._first_chance(0b110) == 24576
    assert context_mixing._first_chance(0b10) == 16384
