"""What to expect of a weight: how large those before it were in its channel and in its row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCALE_BITS = 8  # magnitudes are tracked in 1/256
MAX_MAGNITUDE = 255
LEVEL_BITS = 4  # what is cut off an expectation before it is compared with thresholds
ROW_PRIOR = 16  # symbols that the row's average is believed to hold before the row begins
DRIFT = 3  # the average of rows moves by an eighth


@dataclass(frozen=True)
class ContextRule:
    """How symbols become contexts.

    The symbols are rows of `width`, one channel a column. Each channel has a running average A of `magnitudes[symbol]`,
    `A <- A - floor(A / 2^shift) + floor(256 m / 2^shift)`. With `by_row`, the average B of the row so far and the
    average G of the rows before it make the expectation `A B / G`, a product of a row's and a column's factor; else it
    is A. The context is the number of `thresholds` that the expectation / 16 reaches.
    """

    magnitudes: np.ndarray  # of each symbol, 0..255
    thresholds: tuple[int, ...]  # ascending, 0..4095; none: a single context
    shift: int
    by_row: bool
    initial: int  # the average to begin with, in 1/256

    @property
    def contexts(self) -> int:
        """Return how many contexts there are."""
        return len(self.thresholds) + 1


def magnitudes(alphabet: int, origin: int) -> np.ndarray:
    """Return `min(255, |symbol - origin| gain)`, the gain the largest that keeps the farthest symbol below 256."""
    distance = np.abs(np.arange(alphabet) - origin)
    return np.minimum(MAX_MAGNITUDE, distance * max(1, MAX_MAGNITUDE // max(1, int(distance.max()))))


class ContextTracker:
    """Gives the contexts of the next symbols of a row, and learns from them, chunk by chunk."""

    def __init__(self, rule: ContextRule, width: int) -> None:
        self.rule = rule
        self.averages = np.full(width, rule.initial, np.int64)
        self.row_average = rule.initial
        self.row_sum = self.row_count = 0
        self.thresholds = np.array(rule.thresholds, np.int64)

    def contexts(self, first: int, last: int) -> np.ndarray:
        """Return the contexts of the channels `first` to `last` of the row that is being coded."""
        expected = self.averages[first:last]
        if self.rule.by_row:
            so_far = ((self.row_sum << SCALE_BITS) + self.row_average * ROW_PRIOR) // (self.row_count + ROW_PRIOR)
            expected = expected * so_far // max(1, self.row_average)
        return np.searchsorted(self.thresholds, expected >> LEVEL_BITS, side="right")

    def learn(self, first: int, last: int, symbols: np.ndarray) -> None:
        """Take in the symbols of these channels."""
        magnitude = self.rule.magnitudes[symbols]
        moved = (magnitude << SCALE_BITS) >> self.rule.shift
        self.averages[first:last] += moved - (self.averages[first:last] >> self.rule.shift)
        self.row_sum += int(magnitude.sum())
        self.row_count += last - first

    def end_row(self) -> None:
        """Go to the next row."""
        mean = (self.row_sum << SCALE_BITS) // self.row_count
        self.row_average += (mean >> DRIFT) - (self.row_average >> DRIFT)
        self.row_sum = self.row_count = 0


def expectations(symbols: np.ndarray, rule: ContextRule, lanes: int) -> np.ndarray:
    """Return what the tracker would expect of each symbol, / 16, of [rows, width] coded in chunks of `lanes`."""
    rows, width = symbols.shape
    magnitude = rule.magnitudes[symbols]
    expected = np.empty((rows, width), np.int64)
    averages = np.full(width, rule.initial, np.int64)
    moved = (magnitude << SCALE_BITS) >> rule.shift
    for row in range(rows):
        expected[row] = averages
        averages += moved[row] - (averages >> rule.shift)
    if rule.by_row:
        row_average, firsts = rule.initial, np.arange(0, width, lanes)
        sums = np.add.reduceat(magnitude, firsts, axis=1)
        so_far = np.cumsum(sums, axis=1) - sums
        chunk = np.arange(width) // lanes
        for row in range(rows):
            mean = ((so_far[row] << SCALE_BITS) + row_average * ROW_PRIOR) // (firsts + ROW_PRIOR)
            expected[row] = expected[row] * mean[chunk] // max(1, row_average)
            total = (int(sums[row].sum()) << SCALE_BITS) // width
            row_average += (total >> DRIFT) - (row_average >> DRIFT)
    return expected >> LEVEL_BITS
