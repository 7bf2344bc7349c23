"""Copies of models of both Kerases compute the same as the model, share nothing with it, and keep what it shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge import graph, walks
from edgecompress.keras_bridge.kernels import kernel_zeros, kernels
from edgecompress.tfmot import graph as graph_of_keras2


@dataclass(frozen=True)
class Tools:
    """A Keras, and what is done to its graphs."""

    keras: Any
    copy_model: Callable[[Any], Any]
    inbound_layers: Callable[[Any], tuple[Any, ...]]
    walk_layers: Callable[[Any], Iterator[Any]]


@pytest.fixture(params=["3", "2"])
def tools(request) -> Tools:
    if request.param == "3":
        return Tools(load_keras(), graph.copy_model, graph.inbound_layers, walks.walk_layers)
    found = graph_of_keras2
    return Tools(load_tf_keras(), found.copy_model, found.inbound_layers, found.walk_layers)


def nested(keras: Any) -> Any:
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


def test_a_copy_computes_the_same_bits_and_shares_no_variable(tools: Tools, image: np.ndarray) -> None:
    model = nested(tools.keras)
    copy = tools.copy_model(model)
    for expected, found in zip(model(image), copy(image), strict=True):
        assert expected.numpy().tobytes() == found.numpy().tobytes()
    assert not {id(weight) for weight in model.weights} & {id(weight) for weight in copy.weights}


def test_nested_models_are_flattened_shared_layers_stay_shared(tools: Tools, image: np.ndarray) -> None:
    model = nested(tools.keras)
    copy = tools.copy_model(model)
    assert not any(isinstance(layer, tools.keras.Model) for layer in copy.layers)
    assert {"conv", "inner_conv", "shared"} <= {layer.name for layer in copy.layers}
    assert copy.count_params() == model.count_params()  # "inner" and "shared" are called twice, and counted once
    assert len([layer for layer in tools.walk_layers(model) if layer.name == "conv"]) == 2


def test_inbound_layers_are_those_that_are_read(tools: Tools) -> None:
    copy = tools.copy_model(nested(tools.keras))
    assert [layer.name for layer in tools.inbound_layers(copy.get_layer("a"))] == [
        layer.name for layer in copy.layers if type(layer).__name__ == "Flatten"
    ]


def test_sequential_models_need_an_input_shape(tools: Tools) -> None:
    with pytest.raises(UnsupportedModelError, match="without an input shape"):
        tools.copy_model(tools.keras.Sequential([tools.keras.layers.Dense(2)]))
    built = tools.keras.Sequential([tools.keras.Input((3,)), tools.keras.layers.Dense(2)])
    assert tools.copy_model(built).count_params() == 8


def test_kernels_leave_biases_and_batch_norm_out(tools: Tools) -> None:
    dense = tools.keras.layers.Dense(2, kernel_initializer="zeros", bias_initializer="ones")
    dense.build((None, 3))
    assert [tuple(kernel.shape) for kernel in kernels(dense)] == [(3, 2)]
    assert kernel_zeros(dense) == 1.0
    norm = tools.keras.layers.BatchNormalization()
    norm.build((None, 3))
    assert kernels(norm) == ()


def test_a_copy_computes_with_the_statistics_of_an_adapted_layer(tools: Tools) -> None:
    pixels = np.random.default_rng(0).normal(5, 3, (20, 4, 4, 2)).astype("float32")
    layer = tools.keras.layers.Normalization()
    layer.adapt(pixels)
    image = tools.keras.Input((4, 4, 2))
    model = tools.keras.Model(image, layer(image))
    assert np.array_equal(tools.copy_model(model)(pixels), model(pixels))
