"""Interleaved rANS: many lanes of one asymmetric numeral system write to one stream of 16-bit words.

Duda, Asymmetric numeral systems, arXiv:1311.2540; interleaving after Giesen, arXiv:1402.3392. A lane's state x lies in
[2^16, 2^32). Coding a symbol of frequency f and start s of 2^14 makes it `floor(x / f) 2^14 + x mod f + s`, after a
word was written where x >= 2^18 f. Lanes take turns: a step codes one symbol on each of the first lanes.
"""

from __future__ import annotations

import numpy as np

from edgecompress.errors import PackedFileError
from edgecompress.numerics.codecs.adaptive_model import ONE, PROBABILITY_BITS

LOWEST = 1 << 16
STATE_BYTES = 4
WORD_BITS = 16


def encode(frequencies: np.ndarray, starts: np.ndarray, steps: np.ndarray, *, lanes: int) -> bytes:
    """Return the stream: a state for each lane, then the words, all little-endian.

    Symbol i has frequencies[i] and starts[i]; step k codes those from steps[k] to steps[k + 1], at most `lanes`.
    """
    states = np.full(lanes, LOWEST, np.uint64)
    frequencies, starts = frequencies.astype(np.uint64), starts.astype(np.uint64)
    most = frequencies << np.uint64(WORD_BITS + 16 - PROBABILITY_BITS)
    shift, bits, low = np.uint64(WORD_BITS), np.uint64(PROBABILITY_BITS), np.uint64(LOWEST - 1)
    words = []
    for k in range(len(steps) - 2, -1, -1):  # backwards: the decoder takes from the end what went in last
        first, last = steps[k], steps[k + 1]
        x = states[: last - first]
        full = x >= most[first:last]
        if full.any():
            words.append((x[full] & low)[::-1])
            x = np.where(full, x >> shift, x)
        quotient, remainder = np.divmod(x, frequencies[first:last])
        states[: last - first] = (quotient << bits) + remainder + starts[first:last]
    body = np.concatenate(words)[::-1].astype("<u2").tobytes() if words else b""
    return states.astype("<u4").tobytes() + body


class Decoder:
    """Takes symbols out of a stream, a step at a time."""

    def __init__(self, stream: bytes, *, lanes: int) -> None:
        head = lanes * STATE_BYTES
        if len(stream) < head or (len(stream) - head) % 2:
            raise PackedFileError(f"A coded stream of {len(stream)} bytes cannot hold the states of {lanes} lanes.")
        self.states = np.frombuffer(stream, "<u4", lanes).astype(np.int64)
        if (self.states < LOWEST).any():
            raise PackedFileError("A coded stream begins with an impossible state.")
        self.words = np.frombuffer(stream, "<u2", offset=head).astype(np.int64)
        self.position = 0

    def slots(self, count: int) -> np.ndarray:
        """Return what the first `count` lanes point at, each in 0..2^14 - 1."""
        return self.states[:count] & (ONE - 1)

    def advance(self, slots: np.ndarray, frequencies: np.ndarray, starts: np.ndarray) -> None:
        """Take the symbols with these frequencies and starts out of the lanes."""
        x = frequencies * (self.states[: len(slots)] >> PROBABILITY_BITS) + slots - starts
        short = np.flatnonzero(x < LOWEST)
        if len(short):
            words = self.words[self.position : self.position + len(short)]
            if len(words) != len(short):
                raise PackedFileError("A coded stream is cut short.")
            x[short] = (x[short] << WORD_BITS) | words
            self.position += len(short)
        self.states[: len(slots)] = x

    def finish(self) -> None:
        """Raise `PackedFileError` unless all words are used and all lanes are back where the encoder began."""
        if self.position != len(self.words) or (self.states != LOWEST).any():
            raise PackedFileError("A coded stream does not end where its symbols do: it is damaged.")
