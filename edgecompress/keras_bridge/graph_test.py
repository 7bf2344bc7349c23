"""Copies compute the same as the model, share nothing with it, and keep what it shares."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.environment import load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.graph import copy_model, inbound_layers, walk_layers
from edgecompress.keras_bridge.kernels import kernel_zeros, kernels
from edgecompress.keras_bridge.separable import split_separable


def nested():
    keras = load_tf_keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    inner_input = keras.Input((8, 8, 4))
    inner = keras.Model(
        inner_input, layers.ReLU()(layers.Conv2D(4, 3, padding="same", name="conv")(inner_input)), name="inner"
    )
    image = keras.Input((8, 8, 3))
    shared = layers.Conv2D(4, 1, name="shared")
    x = layers.Conv2D(4, 3, padding="same", name="conv")(image)
    x = shared(shared(inner(inner(x))) * 2.0)
    x = layers.SeparableConv2D(6, 3, strides=2, padding="same", name="sep", activation="relu")(x)
    heads = [layers.Dense(2, name="a")(layers.Flatten()(x)), layers.GlobalMaxPooling2D(name="b")(x)]
    return keras.Model(image, heads, name="outer")


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)


def test_a_copy_computes_the_same_bits_and_shares_no_variable(image: np.ndarray) -> None:
    model = nested()
    copy = copy_model(model)
    for expected, found in zip(model(image), copy(image), strict=True):
        assert expected.numpy().tobytes() == found.numpy().tobytes()
    assert not {id(weight) for weight in model.weights} & {id(weight) for weight in copy.weights}


def test_nested_models_are_flattened_shared_layers_stay_shared(image: np.ndarray) -> None:
    model = nested()
    copy = copy_model(model)
    keras = load_tf_keras()
    assert not any(isinstance(layer, keras.Model) for layer in copy.layers)
    assert {"conv", "inner_conv", "shared"} <= {layer.name for layer in copy.layers}
    assert copy.count_params() == model.count_params()  # "inner" and "shared" are called twice, and counted once
    assert len([layer for layer in walk_layers(model) if layer.name == "conv"]) == 2


def test_inbound_layers_are_those_that_are_read() -> None:
    copy = copy_model(nested())
    assert [layer.name for layer in inbound_layers(copy.get_layer("a"))] == [
        layer.name for layer in copy.layers if type(layer).__name__ == "Flatten"
    ]


def test_a_separable_convolution_is_the_two_that_it_is(image: np.ndarray) -> None:
    copy = copy_model(nested())
    split = split_separable(copy)
    assert {"sep_depthwise", "sep_pointwise"} <= {layer.name for layer in split.layers}
    for expected, found in zip(copy(image), split(image), strict=True):
        # The same sums in another order: 36 products of float32 numbers of size 1.
        np.testing.assert_allclose(found, expected, rtol=0, atol=36 * 2**-23 * 4)


def test_sequential_models_need_an_input_shape() -> None:
    keras = load_tf_keras()
    with pytest.raises(UnsupportedModelError, match="without an input shape"):
        copy_model(keras.Sequential([keras.layers.Dense(2)]))
    built = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    assert copy_model(built).count_params() == 8


def test_kernels_leave_biases_and_batch_norm_out() -> None:
    keras = load_tf_keras()
    dense = keras.layers.Dense(2, kernel_initializer="zeros", bias_initializer="ones")
    dense.build((None, 3))
    assert [tuple(kernel.shape) for kernel in kernels(dense)] == [(3, 2)]
    assert kernel_zeros(dense) == 1.0
    norm = keras.layers.BatchNormalization()
    norm.build((None, 3))
    assert kernels(norm) == ()


def test_a_copy_computes_with_the_statistics_of_an_adapted_layer() -> None:
    keras = load_tf_keras()
    pixels = np.random.default_rng(0).normal(5, 3, (20, 4, 4, 2)).astype("float32")
    layer = keras.layers.Normalization()
    layer.adapt(pixels)
    image = keras.Input((4, 4, 2))
    model = keras.Model(image, layer(image))
    assert np.array_equal(copy_model(model)(pixels), model(pixels))
