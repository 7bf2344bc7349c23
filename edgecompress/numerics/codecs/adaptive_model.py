"""Probabilities that learn from what was coded: one histogram a context, the same integers in every decoder."""

from __future__ import annotations

import numpy as np

PROBABILITY_BITS = 14
ONE = 1 << PROBABILITY_BITS  # the frequencies of a context add up to this
INCREMENT = 8  # what an observed symbol adds to its count
LIMIT = (1 << 18) - 1  # of a context's counts: count times frequency stays below 2^32
FIRST_UPDATE, LAST_UPDATE = 64, 8192  # symbols between two updates, which grow apart as the model settles
UPDATE_SHARE = 4  # an update comes when a quarter more symbols are known


class AdaptiveModel:
    """Frequencies `f[context, symbol]` of an alphabet, learnt in blocks.

    `f = 1 + floor(c (ONE - K) / sum c)`, the remainder going to the most frequent symbol (the first of them), where the
    counts c begin as `max(1, floor(8 prior / K))` and grow by 8 for each symbol seen. A context whose counts exceed
    `LIMIT` has them halved, rounded up. Between two updates nothing changes, so that many symbols are coded at once.
    """

    def __init__(self, alphabet: int, *, contexts: int, prior: int) -> None:
        self.counts = np.full((contexts, alphabet), max(1, INCREMENT * prior // alphabet), np.int64)
        self.seen = 0
        self._rebuild()

    @property
    def block(self) -> int:
        """Return after how many more symbols, at the least, the next update comes."""
        return min(max(self.seen // UPDATE_SHARE, FIRST_UPDATE), LAST_UPDATE)

    def update(self, contexts: np.ndarray, symbols: np.ndarray) -> None:
        """Learn from a block of symbols and their contexts."""
        alphabet = self.counts.shape[1]
        observed = np.bincount(contexts * alphabet + symbols, minlength=self.counts.size)
        self.counts += INCREMENT * observed.reshape(self.counts.shape)
        while (full := self.counts.sum(1) > LIMIT).any():
            self.counts[full] = (self.counts[full] + 1) >> 1
        self.seen += len(symbols)
        self._rebuild()

    def slots(self) -> np.ndarray:
        """Return the symbol of every slot: `[contexts * ONE]`."""
        symbols = np.tile(np.arange(self.counts.shape[1]), self.counts.shape[0])
        return np.repeat(symbols, self.frequencies.ravel())

    def _rebuild(self) -> None:
        contexts, alphabet = self.counts.shape
        self.frequencies = 1 + self.counts * (ONE - alphabet) // self.counts.sum(1, keepdims=True)
        rows = np.arange(contexts)
        self.frequencies[rows, self.counts.argmax(1)] += ONE - self.frequencies.sum(1)
        self.starts = np.cumsum(self.frequencies, 1) - self.frequencies
