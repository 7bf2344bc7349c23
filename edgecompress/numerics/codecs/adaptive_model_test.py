"""The model's integers, by hand and for every alphabet."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.numerics.codecs.adaptive_model import FIRST_UPDATE, LAST_UPDATE, LIMIT, ONE, AdaptiveModel


def test_an_example_worked_by_hand() -> None:
    model = AdaptiveModel(3, contexts=2, prior=4)
    # counts floor(8 * 4 / 3) = 10; frequencies 1 + floor(10 * 16381 / 30) = 5461; the first gets the 1 that is left
    assert model.counts.tolist() == [[10, 10, 10]] * 2
    assert model.frequencies.tolist() == [[5462, 5461, 5461]] * 2
    assert model.starts.tolist() == [[0, 5462, 10923]] * 2
    model.update(np.array([0, 0, 0, 1]), np.array([2, 2, 1, 0]))
    # context 0: counts 10, 18, 26 of 54; 1 + floor(c * 16381 / 54) = 3034, 5461, 7888, which lack 1
    assert model.counts.tolist() == [[10, 18, 26], [18, 10, 10]]
    assert model.frequencies[0].tolist() == [3034, 5461, 7889]
    assert model.starts[0].tolist() == [0, 3034, 8495]
    # context 1: counts 18, 10, 10 of 38: 7760, 4311, 4311, which lack 2
    assert model.frequencies[1].tolist() == [7762, 4311, 4311]


def test_counts_are_halved_upwards_as_often_as_needed_in_full_contexts_only() -> None:
    model = AdaptiveModel(2, contexts=2, prior=1)
    model.counts[0] = [3 * LIMIT, 4]
    model.counts[1] = [LIMIT - 8 - 5, 5]
    model.update(np.array([1]), np.array([0]))
    # 786429 -> 393215 -> 196608, and 4 -> 2 -> 1; their sum exceeds 262143 twice. The other context is exactly full.
    assert model.counts.tolist() == [[196608, 1], [LIMIT - 5, 5]]


@pytest.mark.parametrize("alphabet", [1, 2, 255, 256])
def test_slots_are_as_many_as_each_frequency(alphabet: int) -> None:
    model = AdaptiveModel(alphabet, contexts=2, prior=0)
    model.update(np.ones(100, int), np.zeros(100, int))
    slots = model.slots().reshape(2, ONE)
    for context in range(2):
        assert np.bincount(slots[context], minlength=alphabet).tolist() == model.frequencies[context].tolist()
        assert (np.diff(slots[context]) >= 0).all()


def test_updates_grow_apart() -> None:
    model = AdaptiveModel(4, contexts=1, prior=4)
    assert model.block == FIRST_UPDATE
    for seen, block in ((256, 64), (400, 100), (40000, LAST_UPDATE)):
        model.seen = seen
        assert model.block == block


@settings(max_examples=60, deadline=None)
@given(data=st.data(), alphabet=st.integers(1, 256), contexts=st.integers(1, 16), prior=st.integers(0, 255))
def test_frequencies_make_up_the_whole_and_none_is_zero(
    data: st.DataObject, alphabet: int, contexts: int, prior: int
) -> None:
    model = AdaptiveModel(alphabet, contexts=contexts, prior=prior)
    for _ in range(data.draw(st.integers(0, 4))):
        random = np.random.default_rng(data.draw(st.integers(0, 1000)))
        count = data.draw(st.sampled_from([1, 64, 8192, 70000]))
        few = data.draw(st.integers(1, alphabet))
        model.update(random.integers(0, contexts, count), random.integers(0, few, count))
        assert (model.frequencies >= 1).all() and (model.counts >= 1).all()
        assert (model.frequencies.sum(1) == ONE).all() and (model.counts.sum(1) <= LIMIT).all()
        assert (model.starts == np.cumsum(model.frequencies, 1) - model.frequencies).all()
