"""Two ways to the same expectation: chunk by chunk as the decoder has it, and of a whole array as the encoder does."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.numerics.codecs.channel_contexts import ContextRule, ContextTracker, expectations, magnitudes


@st.composite
def rules(draw: st.DrawFn) -> ContextRule:
    thresholds = sorted(draw(st.sets(st.integers(0, 4095), min_size=1, max_size=15)))
    alphabet = draw(st.integers(1, 256))
    return ContextRule(
        magnitudes(alphabet, draw(st.integers(0, 255))),
        tuple(thresholds),
        shift=draw(st.integers(0, 7)),
        by_row=draw(st.booleans()),
        initial=draw(st.integers(0, 0xFF00)),
    )


@settings(max_examples=80, deadline=None)
@given(
    rule=rules(),
    rows=st.integers(1, 12),
    width=st.integers(1, 40),
    lanes=st.sampled_from([1, 2, 8, 64]),
    seed=st.integers(0, 99),
)
def test_the_tracker_expects_what_the_encoder_expects(
    rule: ContextRule, rows: int, width: int, lanes: int, seed: int
) -> None:
    symbols = np.random.default_rng(seed).integers(0, len(rule.magnitudes), (rows, width))
    together = np.searchsorted(rule.thresholds, expectations(symbols, rule, lanes), side="right")
    tracker = ContextTracker(rule, width)
    for row in range(rows):
        for first in range(0, width, lanes):
            last = min(first + lanes, width)
            assert tracker.contexts(first, last).tolist() == together[row, first:last].tolist()
            tracker.learn(first, last, symbols[row, first:last])
        tracker.end_row()


def test_magnitudes_use_the_range_up_to_255() -> None:
    assert magnitudes(4, 0).tolist() == [0, 85, 170, 255]
    assert magnitudes(3, 1).tolist() == [255, 0, 255]
    assert magnitudes(256, 128)[[0, 128, 255]].tolist() == [128, 0, 127]
    assert magnitudes(1, 0).tolist() == [0]
    assert magnitudes(2, 200).tolist() == [200, 199]  # an origin beyond the alphabet is no error


def test_an_example_worked_by_hand() -> None:
    rule = ContextRule(np.array([0, 255]), (8,), shift=4, by_row=False, initial=256)
    # A = 256; after symbol 1: 256 - 16 + (255 * 256 >> 4) = 4320; after 0: 4320 - 270 = 4050; all / 16 are compared
    assert expectations(np.array([[1], [0], [1]]), rule, 1).ravel().tolist() == [16, 270, 253]


def test_a_row_average_scales_what_its_columns_expect() -> None:
    rule = ContextRule(np.array([0, 255]), (8,), shift=4, by_row=True, initial=1600)
    # Chunks of two. Before the second: B = (2 * 255 * 256 + 1600 * 16) / 18 = 8675, G = 1600, A = 1600: A B / G = 8675
    assert expectations(np.ones((1, 4), int), rule, 2).tolist() == [[100, 100, 542, 542]]
    # Next row: A = 1600 - 100 + 4080 = 5580; G = 1600 - 200 + (255 * 256 >> 3) = 9560 = B with nothing seen, so A stays
    assert expectations(np.ones((2, 4), int), rule, 2)[1, :2].tolist() == [5580 >> 4] * 2


def test_the_first_threshold_that_is_reached_counts() -> None:
    tracker = ContextTracker(ContextRule(np.array([0]), (10, 20), 4, False, 160), 1)
    assert tracker.contexts(0, 1).tolist() == [1]
