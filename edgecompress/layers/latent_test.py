"""Binary layers clip what they train, draw nothing at inference, and come back from files and copies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.layers import custom_objects
from edgecompress.layers.convolution import BinaryConv2D
from edgecompress.layers.dense import BinaryDense
from edgecompress.layers.depthwise import BinaryDepthwiseConv2D
from edgecompress.loading import load_model

BINARY = tuple(custom_objects().values())
IMAGES = np.round(np.random.default_rng(0).normal(size=(2, 7, 6, 5)) * 8).astype(np.float32) / 8  # sums are exact


def signs(values) -> np.ndarray:
    return np.where(np.asarray(values) >= 0, 1, -1)


def every_layer():
    keras = load_keras()
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = BinaryConv2D(4, 3, padding="same", scaled=True, input_gradient="approximate")(image)
    x = keras.layers.BatchNormalization()(x)
    x = BinaryDepthwiseConv2D(3, stochastic=True)(x)
    x = BinaryConv2D(4, 3, padding="same", pad_values=0, input_scale=True)(x)
    x = keras.layers.Flatten()(x)
    return keras.Model(image, BinaryDense(3, activation="softmax", binary_inputs=False)(x))


def test_a_dense_layer_is_a_product_of_signs() -> None:
    layer = BinaryDense(3)
    found = layer(IMAGES)
    np.testing.assert_array_equal(found, signs(IMAGES) @ signs(layer.kernel))


def test_the_scale_of_a_dense_layers_inputs_is_their_mean_magnitude() -> None:
    layer = BinaryDense(3, input_scale=True)
    found = layer(IMAGES)
    expected = np.abs(IMAGES).mean(-1, keepdims=True) * (signs(IMAGES) @ signs(layer.kernel))
    np.testing.assert_allclose(found, expected, rtol=8 * 2.0**-24)  # a mean of 5 numbers and a product


def test_a_depthwise_convolution_has_signs_for_weights() -> None:
    layer = BinaryDepthwiseConv2D(3, depth_multiplier=2)
    found = np.asarray(layer(IMAGES)).reshape(2, 5, 4, 5, 2)
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES, (3, 3), (1, 2))
    expected = np.einsum("nyxchw,hwcm->nyxcm", windows, signs(layer.kernel))
    np.testing.assert_array_equal(found, expected)


def test_training_moves_latent_weights_and_clips_them() -> None:
    model = every_layer()
    latent = [layer.kernel for layer in model.layers if isinstance(layer, BINARY)]
    before = [kernel.numpy() for kernel in latent]
    model.compile(load_keras().optimizers.SGD(1000.0), "sparse_categorical_crossentropy")
    images = np.random.default_rng(0).normal(size=(32, 8, 8, 3)).astype(np.float32)
    model.fit(images, np.arange(32) % 3, epochs=2, verbose=0)
    assert len(latent) == 4
    for old, new in zip(before, latent, strict=True):
        assert not np.array_equal(old, new)
        assert np.abs(new).max() == 1.0


def test_signs_are_drawn_in_training_only() -> None:
    layer = BinaryDepthwiseConv2D(3, stochastic=True)
    assert np.array_equal(layer(IMAGES), layer(IMAGES))
    assert not np.array_equal(layer(IMAGES, training=True), layer(IMAGES, training=True))


@pytest.mark.parametrize("form", ["h5", "keras", "copy"])
def test_a_model_comes_back_the_same(form: str, tmp_path: Path) -> None:
    model, path = every_layer(), tmp_path / f"model.{form}"
    if form == "copy":
        back = copy_model(model)
    else:
        model.save(path)
        back = load_model(path)
    for expected, found in zip(model.layers, back.layers, strict=True):
        assert type(found) is type(expected) and found.get_config() == expected.get_config()
        for old, new in zip(expected.get_weights(), found.get_weights(), strict=True):
            assert old.tobytes() == new.tobytes()
