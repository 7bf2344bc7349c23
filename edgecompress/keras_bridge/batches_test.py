"""Layers that mix the samples of a batch, draw random numbers or keep a state are named; others are let through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.batches import (
    _ROUNDED,
    _apart,
    require_finite,
    require_no_randomness,
    require_no_state,
    require_samples_apart,
)
from edgecompress.tfmot.native import native

keras, tensorflow = load_tf_keras(), load_tensorflow()
layers = keras.layers
APART: dict[str, Callable[[Any], Any]] = {
    "layers": lambda x: layers.Dense(3)(layers.BatchNormalization()(layers.Dropout(0.5)(x))),
    "a reshape of two rows a sample": lambda x: layers.Dense(3)(tensorflow.reshape(x, (-1, 6))),
    "a reduction of features": lambda x: [x - tensorflow.reduce_mean(x, 1, keepdims=True), layers.Dense(2)(x)],
    "what is not finite": lambda x: tensorflow.math.log(x),
    "integers": lambda x: tensorflow.argmax(x, 1),
}
MIXED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a mean": (lambda x: layers.Dense(3)(x - tensorflow.reduce_mean(x, 0, keepdims=True)), "reduce_mean"),
    "a softmax": (lambda x: layers.Dense(3)(tensorflow.nn.softmax(x, axis=0)), "nn.softmax"),
    "doubled": (lambda x: layers.Dense(3)(tensorflow.concat([x, x * 2.0], 0)), "concat"),
    "the first sample": (lambda x: layers.Dense(3)(x[:1]), "getitem"),
    "the number of samples": (lambda x: x * tensorflow.cast(tensorflow.shape(x)[0], "float32"), "shape"),
    "transposed": (lambda x: layers.Dense(3)(tensorflow.transpose(tensorflow.reshape(x, (12, -1)))), "reshape"),
}


@pytest.mark.parametrize("batch", [None, 4])
@pytest.mark.parametrize("name", APART)
def test_samples_that_are_apart(name: str, batch: int | None) -> None:
    inputs = keras.Input((12,), batch_size=batch)
    model = keras.Model(inputs, APART[name](inputs))
    require_finite(native(model))
    require_no_randomness(native(model))
    require_samples_apart(native(model))


def test_a_layer_that_computes_nothing_finite_is_named() -> None:
    inputs = keras.Input((12,))
    grown = layers.Dense(9, kernel_initializer="ones", activation="exponential", name="grows")(inputs * 0.0 + 100.0)
    with pytest.raises(UnsupportedModelError, match=r"Layer 'grows' \(Dense\) computes nothing that is finite"):
        require_finite(native(keras.Model(inputs, layers.Dense(2)(grown))))


@pytest.mark.parametrize("kind", ["Dropout", "GaussianNoise", "GaussianDropout", "AlphaDropout"])
def test_a_layer_that_draws_random_numbers_is_named(kind: str) -> None:
    inputs = keras.Input((12,))
    drawn = getattr(layers, kind)(0.5, name="draws")(layers.Dense(9)(inputs), training=True)
    with pytest.raises(UnsupportedModelError, match=rf"Layer 'draws' \({kind}\) draws random numbers at inference"):
        require_no_randomness(native(keras.Model(inputs, layers.Dense(2)(drawn))))


@pytest.mark.parametrize("name", MIXED)
def test_a_layer_that_mixes_samples_is_named(name: str) -> None:
    call, layer = MIXED[name]
    inputs = keras.Input((12,))
    with pytest.raises(UnsupportedModelError, match=f"Layer '[^']*{layer}[^']*' .* mixes the samples of a batch"):
        require_samples_apart(native(keras.Model(inputs, call(inputs))))


def test_a_model_that_takes_a_whole_batch_alone() -> None:
    inputs = keras.Input((12,), batch_size=4)
    model = keras.Model(inputs, layers.Dense(3)(tensorflow.reshape(inputs, (2, 24))))
    with pytest.raises(UnsupportedModelError, match=r"does not run on one sample alone.* Layer 'tf\.reshape"):
        require_samples_apart(native(model))


def test_a_layer_that_goes_on_from_the_batch_before() -> None:
    steps = keras.Input((5, 4), batch_size=1)
    with pytest.raises(UnsupportedModelError, match=r"Layer 'remembers' \(LSTM\) is stateful"):
        require_no_state(native(keras.Model(steps, layers.LSTM(3, stateful=True, name="remembers")(steps))))


def test_a_sign_that_rounding_turns_is_no_mixing() -> None:
    signs = np.sign(np.random.default_rng(0).normal(size=(2, 1000)))
    turned = signs[:1].copy()
    assert _apart([signs], [turned], 2) == 0
    turned[0, 7] *= -1
    assert 0 < _apart([signs], [turned], 2) < _ROUNDED < _apart([signs], [signs[1:]], 2)
    assert _apart([signs], [signs], 2) == 1
