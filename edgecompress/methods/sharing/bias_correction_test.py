"""The bias correction by hand, and the means it restores in networks."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.methods.sharing.bias_correction import correct_biases
from edgecompress.numerics.codebook import share

ULP = 2.0**-24


def dense_network(*, weights: list) -> object:
    keras = load_keras()
    image = keras.Input((2,))
    x = keras.layers.Dense(2, activation="relu", name="first")(image)
    model = keras.Model(image, keras.layers.Dense(1, activation="sigmoid", name="second")(x), name="two")
    model.set_weights([np.array(array, np.float32) for array in weights])
    return model


def test_two_layers_by_hand() -> None:
    images = np.array([[-1.0, 1.0], [-1.0, 3.0]], np.float32)  # E[x] = (-1, 2)
    original = dense_network(weights=[[[1.0, -0.5], [0.5, 1.0]], [0.0, 0.5], [[1.0], [2.0]], [0.25]])
    changed = dense_network(weights=[[[0.0, 0.0], [1.0, 1.0]], [0.0, 0.5], [[2.0], [2.0]], [0.25]])
    assert correct_biases(original, changed, ("first", "second"), images) == {}
    # First: W - W^ = [[1, -0.5], [-0.5, 0]], so b += (-1 - 1, 0.5).
    np.testing.assert_array_equal(changed.get_layer("first").bias, [-2.0, 1.0])
    # Second: x is relu of (-0.5, 2), (0.5, 4), on average (0.25, 3), and x^ relu of (-1, 2), (1, 4): (0.5, 3).
    # It gives 0.25 + 6 on average, and now 1 + 6, the biases being the same.
    np.testing.assert_array_equal(changed.get_layer("second").bias, [0.25 - 0.75])


@pytest.mark.parametrize("name", ["separable_pointwise", "depthwise", "conv"])
def test_the_means_before_the_activation_are_those_of_the_original(name, inputs) -> None:
    keras = load_keras()
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="conv")(image)
    x = keras.layers.DepthwiseConv2D(3, padding="same", activation="relu", name="depthwise")(x)
    x = keras.layers.Conv2D(6, 1, name="separable_pointwise")(x)
    original = keras.Model(image, x)
    changed = copy_model(original)
    for layer in changed.layers:
        for kernel in kernels(layer):
            kernel.assign(share(kernel.numpy(), 2, start="linear", seed=0, zeros=True).decode())
    before = changed.get_layer(name).bias.numpy()
    correct_biases(original, changed, ("conv", "depthwise", "separable_pointwise"), inputs)
    assert not np.array_equal(before, changed.get_layer(name).bias)

    def mean(model) -> np.ndarray:
        layer = model.get_layer(name)
        linear = type(layer).from_config({**layer.get_config(), "activation": None})
        output = linear(layer.input)
        linear.set_weights(layer.get_weights())
        return keras.Model(model.input, output).predict(inputs, verbose=0).mean(axis=(0, 1, 2), dtype=np.float64)

    # A response is a float32 sum of at most 73 terms, none of which, nor the sum, is above 32.
    np.testing.assert_allclose(mean(changed), mean(original), atol=73 * 32 * ULP)


def test_layers_without_a_bias_are_left_with_the_reason_and_others_alone(awkward_model, inputs) -> None:
    changed = copy_model(awkward_model)
    left = correct_biases(awkward_model, changed, ("stem", "separable"), inputs)
    assert left == {
        "stem": "it has no bias to correct",
        "separable": "the bias of this SeparableConv2D cannot be corrected",
    }
    for old, new in zip(copy_model(awkward_model).get_weights(), changed.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
