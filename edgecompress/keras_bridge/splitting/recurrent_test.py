"""Recurrent layers written out compute what their loops do, where the number of steps is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.splitting.recurrent import MOST_STEPS, loops, without_loops

layers: Any = load_keras().layers


@pytest.mark.parametrize(
    "layer",
    [
        layers.SimpleRNN(4, name="memory"),
        layers.GRU(4, return_sequences=True, name="memory"),
        layers.LSTM(4, go_backwards=True, name="memory"),
        layers.Bidirectional(layers.LSTM(4), name="memory"),
        layers.RNN(layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(4)]), name="memory"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_the_same_is_computed_with_the_same_weights(layer: Any) -> None:
    keras = load_keras()
    keras.utils.set_random_seed(0)
    inputs = keras.Input((7, 5), name="steps")
    model = keras.Model(inputs, layers.Dense(2, name="end")(layer(inputs)), name="net")
    assert loops(model) == {"memory": 7}
    written = without_loops(model)
    assert loops(written) == {} and [each.name for each in written.layers] == [each.name for each in model.layers]
    samples = np.random.default_rng(0).normal(size=(3, 7, 5)).astype(np.float32)
    # The same float32 operations in the same order but for the sums of products, of up to nine numbers around one.
    np.testing.assert_allclose(written.predict_on_batch(samples), model.predict_on_batch(samples), atol=1e-5)
    assert without_loops(written) is written


@pytest.mark.parametrize("steps", [None, MOST_STEPS + 1])
def test_what_has_too_many_steps_stays_a_loop(steps: int | None) -> None:
    keras = load_keras()
    inputs = keras.Input((steps, 2))
    model = keras.Model(inputs, layers.GRU(2, name="memory")(inputs))
    assert loops(model) == {} and without_loops(model) is model


def test_a_layer_that_is_called_twice_is_written_out_once() -> None:
    keras = load_keras()
    first, second, shared = keras.Input((3, 2)), keras.Input((4, 2)), layers.GRU(2, name="memory")
    model = keras.Model([first, second], layers.Add()([shared(first), shared(second)]))
    assert loops(model) == {"memory": 4}
    written = without_loops(model)
    assert len([each for each in written.layers if isinstance(each, layers.GRU)]) == 1
