"""The stream of the entropy coder, word by word."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.errors import PackedFileError
from edgecompress.numerics.codecs import rans
from edgecompress.numerics.codecs.adaptive_model import ONE


def decode(stream: bytes, frequencies: np.ndarray, starts: np.ndarray, steps: list[int], lanes: int) -> list[int]:
    """Decode with known frequencies; return the slots, each of which must lie in its symbol's range."""
    decoder = rans.Decoder(stream, lanes=lanes)
    found: list[int] = []
    for first, last in pairwise(steps):
        slots = decoder.slots(last - first)
        found += slots.tolist()
        decoder.advance(slots, frequencies[first:last], starts[first:last])
    decoder.finish()
    return found


def test_an_example_worked_by_hand() -> None:
    half, quarter = ONE // 2, ONE // 4
    # One lane from x = 2^16, backwards: f = 2^12, s = 2^13: 16 * 2^14 + 0 + 2^13 = 270336;
    # then f = 2^13, s = 0: floor(270336 / 8192) 2^14 + 0 = 33 * 2^14 = 540672 = 0x00084000, and no word is due.
    stream = rans.encode(np.array([half, quarter]), np.array([0, half]), np.array([0, 1, 2]), lanes=1)
    assert stream == bytes([0x00, 0x40, 0x08, 0x00])


def test_a_word_is_written_when_the_state_is_full() -> None:
    # f = 1: full from x = 2^18 on. 2^16 -> 2^30 -> word 0, x = 2^14, which is floor(2^14 / 1) 2^14 = 2^28
    stream = rans.encode(np.array([1, 1]), np.array([0, 0]), np.array([0, 1, 2]), lanes=1)
    assert stream == (1 << 28).to_bytes(4, "little") + bytes(2)


@settings(max_examples=80, deadline=None)
@given(lanes=st.sampled_from([1, 2, 16, 256]), count=st.integers(0, 600), seed=st.integers(0, 999))
def test_any_frequencies_come_back(lanes: int, count: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    frequencies = np.minimum(ONE, 1 + (ONE * random.random(count) ** random.integers(1, 9)).astype(np.int64))
    starts = (random.random(count) * (ONE - frequencies + 1)).astype(np.int64)
    steps = [0]
    while steps[-1] < count:
        steps.append(min(count, steps[-1] + int(random.integers(1, lanes + 1))))
    stream = rans.encode(frequencies, starts, np.array(steps), lanes=lanes)
    slots = np.array(decode(stream, frequencies, starts, steps, lanes), int)
    assert ((slots >= starts) & (slots < starts + frequencies)).all()


@pytest.mark.parametrize("stream", [b"", bytes(3), bytes(4), b"\xff\xff\x00\x00", bytes([0, 0, 1, 0, 7])])
def test_a_stream_that_cannot_begin_is_refused(stream: bytes) -> None:
    with pytest.raises(PackedFileError):
        rans.Decoder(stream, lanes=1)


def test_a_stream_must_end_where_it_began() -> None:
    start = rans.LOWEST.to_bytes(4, "little")
    rans.Decoder(start, lanes=1).finish()
    for stream in (start + bytes(2), (rans.LOWEST + 1).to_bytes(4, "little")):
        with pytest.raises(PackedFileError, match="does not end"):
            rans.Decoder(stream, lanes=1).finish()
