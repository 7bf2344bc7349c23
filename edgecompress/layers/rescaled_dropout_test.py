from __future__ import annotations

import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.layers.rescaled_dropout import RescaledDropout

ONES = np.ones((100, 100), np.float32)
# Of 10,000 draws the share has a standard deviation of at most 0.005; six of them are never seen.
SLACK = 0.03


@pytest.fixture
def layer():
    load_keras().utils.set_random_seed(0)
    return RescaledDropout(0.5, name="drop")


def test_the_rate_can_be_changed_in_a_compiled_function(layer) -> None:
    layer.build(ONES.shape)
    compiled = load_tensorflow().function(lambda inputs: layer(inputs, training=True))
    for rate in (0.5, 0.1, 0.8):
        layer.rescaled.assign(rate)
        found = np.asarray(compiled(ONES))
        assert np.mean(found == 0) == pytest.approx(rate, abs=SLACK)
        np.testing.assert_allclose(found[found > 0], 1 / (1 - rate), rtol=1e-6)  # a few roundings of float32
    assert compiled.experimental_get_tracing_count() == 1


def test_inference_passes_inputs_on(layer) -> None:
    np.testing.assert_array_equal(layer(ONES, training=False), ONES)


def test_the_rate_is_a_weight_that_is_not_trained(layer) -> None:
    layer(ONES)
    assert layer.get_weights() == [np.float32(0.5)]
    assert not layer.trainable_weights


def test_its_config_is_that_of_a_plain_dropout(layer) -> None:
    layer(ONES)
    layer.rescaled.assign(0.3)
    plain = load_keras().layers.Dropout.from_config(layer.get_config())
    assert (plain.name, plain.rate) == ("drop", 0.3)
