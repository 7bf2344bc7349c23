"""Drawn networks compute something, come out the same each time, and give an input as it is in a rare tap only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from edgecompress.environment import load_tf_keras
from edgecompress.testing.random_networks import INPUT_TAP, MOVING, TAPS, Drawn, Network, build, networks, samples

DENSE, DROPOUT = (Drawn(kind, (1, 2, 3, 4), (0, 0)) for kind in ("Dense", "Dropout"))


def network(*layers: Drawn, taps: tuple[int, ...] = ()) -> Network:
    return Network(((6, 5),), layers, taps, 7)


def values(model: Any, place: int) -> list[np.ndarray]:
    """Sorted numbers of the first input, and of an output."""
    inputs = samples(model, 2, 0)
    found = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    found = found if isinstance(found, list | tuple) else [found]
    return [np.sort(np.asarray(each).ravel()) for each in (inputs[0], found[place])]


@pytest.mark.parametrize("kind", MOVING)
def test_a_network_that_only_moves_its_input_is_given_something_to_compute(kind: str) -> None:
    moving = Drawn(kind, (0, 0, 0, 0), (0, 0))
    given_, found = values(build(network(moving, moving), load_tf_keras()), 0)
    assert given_.shape == found.shape and not np.array_equal(given_, found)


def test_one_tap_of_many_takes_an_input() -> None:
    equal = []
    for tap in range(TAPS):
        model = build(network(DENSE, DROPOUT, DENSE, taps=(tap,)), load_tf_keras())
        given_, found = values(model, len(model.outputs) - 1)
        if given_.shape == found.shape and np.array_equal(given_, found):
            equal.append(tap)
    assert equal == [INPUT_TAP]


def test_a_network_comes_out_the_same_each_time() -> None:
    one, two = (build(network(DENSE, DENSE, taps=(3, 4)), load_tf_keras()) for _ in range(2))
    assert [tensor.shape for tensor in one.outputs] == [tensor.shape for tensor in two.outputs]
    for first, second in zip(one.get_weights(), two.get_weights(), strict=True):
        assert first.tobytes() == second.tobytes()


@settings(max_examples=25, deadline=None, database=None, phases=[Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
@seed(0)
@given(networks())
def test_what_is_drawn_is_built(drawn: Network) -> None:
    model = build(drawn, load_tf_keras())
    assert all(model.outputs[0] is not tensor for tensor in model.inputs)
    assert len(model.outputs) <= 1 + len(drawn.taps)
