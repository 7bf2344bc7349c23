"""Symbols to bytes and back: adaptive probabilities in contexts along channels, written by interleaved rANS."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edgecompress.numerics.codecs import rans
from edgecompress.numerics.codecs.adaptive_model import ONE, AdaptiveModel
from edgecompress.numerics.codecs.channel_contexts import ContextRule, ContextTracker, expectations, magnitudes

MAX_LANES = 256
MAX_CONTEXTS = 16


@dataclass(frozen=True)
class SymbolCoding:
    """How a sequence of symbols 0..alphabet-1 is coded; all that a decoder must know but their number.

    The sequence is rows of `width` (the last may be shorter), each coded in chunks of `lanes`. `origin` is the symbol
    of magnitude 0; `prior` how many observations the even distribution at the beginning weighs.
    """

    alphabet: int  # 1..256
    width: int
    lanes: int  # a power of two, at most 256
    prior: int = 16
    origin: int = 0
    thresholds: tuple[int, ...] = ()
    shift: int = 4
    by_row: bool = False
    initial: int = 0

    @property
    def rule(self) -> ContextRule:
        """Return the rule of its contexts."""
        return ContextRule(
            magnitudes(self.alphabet, self.origin), self.thresholds, self.shift, self.by_row, self.initial
        )


def steps(count: int, coding: SymbolCoding) -> np.ndarray:
    """Return where each step of the coder begins, and at last the end: chunks of `lanes` in rows of `width`."""
    in_row = np.arange(0, coding.width, coding.lanes)
    rows = np.arange(0, count, coding.width)
    begins = (rows[:, None] + in_row).ravel()
    return np.append(begins[begins < count], count)


def probabilities(symbols: np.ndarray, coding: SymbolCoding) -> tuple[np.ndarray, np.ndarray]:
    """Return the frequency and the start that the model gives to each symbol, in 1/2^14."""
    contexts = context_of_each(symbols, coding)
    model = AdaptiveModel(coding.alphabet, contexts=len(coding.thresholds) + 1, prior=coding.prior)
    frequencies, starts = np.empty(len(symbols), np.int64), np.empty(len(symbols), np.int64)
    ends, first = steps(len(symbols), coding)[1:], 0
    while first < len(symbols):
        last = int(ends[min(int(np.searchsorted(ends, first + model.block)), len(ends) - 1)])
        block, places = symbols[first:last], contexts[first:last]
        at = places * coding.alphabet + block
        frequencies[first:last], starts[first:last] = model.frequencies.ravel()[at], model.starts.ravel()[at]
        model.update(places, block)
        first = last
    return frequencies, starts


def context_of_each(symbols: np.ndarray, coding: SymbolCoding) -> np.ndarray:
    """Return the context of every symbol."""
    if not coding.thresholds:
        return np.zeros(len(symbols), np.int64)
    missing = -len(symbols) % coding.width  # the last row, filled up; what is expected of the filling is not used
    rows = np.append(symbols, np.zeros(missing, symbols.dtype)).reshape(-1, coding.width)
    expected = expectations(rows, coding.rule, coding.lanes).ravel()[: len(symbols)]
    return np.searchsorted(np.array(coding.thresholds), expected, side="right")


def code_length_bits(frequencies: np.ndarray) -> float:
    """Return the empirical entropy of symbols under the model that gave them these frequencies, in bits."""
    return float(-np.log2(frequencies / ONE).sum())


def encode(symbols: np.ndarray, coding: SymbolCoding) -> bytes:
    """Return the coded symbols, integers [count] below `coding.alphabet`."""
    frequencies, starts = probabilities(symbols, coding)
    return rans.encode(frequencies, starts, steps(len(symbols), coding), lanes=coding.lanes)


def decode(stream: bytes, count: int, coding: SymbolCoding) -> np.ndarray:
    """Return the `count` symbols of a stream, uint8.

    Raises:
        PackedFileError: the stream is cut short, too long, or damaged.
    """
    decoder = rans.Decoder(stream, lanes=coding.lanes)
    model = AdaptiveModel(coding.alphabet, contexts=len(coding.thresholds) + 1, prior=coding.prior)
    tracker = ContextTracker(coding.rule, coding.width) if coding.thresholds else None
    symbols, contexts = np.empty(count, np.int64), np.zeros(count, np.int64)
    begins = steps(count, coding).tolist()
    learnt, due, slots = 0, model.block, model.slots()
    frequencies, starts = model.frequencies.ravel(), model.starts.ravel()
    for first, last in pairwise(begins):
        pointed = decoder.slots(last - first)
        if tracker:
            column = first % coding.width
            found = tracker.contexts(column, column + last - first)
            contexts[first:last] = found
            chunk = slots[found * ONE + pointed]
            at = found * coding.alphabet + chunk
        else:
            chunk = at = slots[pointed]
        decoder.advance(pointed, frequencies[at], starts[at])
        symbols[first:last] = chunk
        if tracker:
            tracker.learn(column, column + last - first, chunk)
            if last % coding.width == 0:
                tracker.end_row()
        if last >= due:
            model.update(contexts[learnt:last], symbols[learnt:last])
            learnt, due, slots = last, last + model.block, model.slots()
            frequencies, starts = model.frequencies.ravel(), model.starts.ravel()
    decoder.finish()
    return symbols.astype(np.uint8)
