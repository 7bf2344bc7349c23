"""Whole multiples of a step are found, and int8 files hold exactly them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.convert.conversion import convert
from edgecompress.convert.making import Source
from edgecompress.convert.targets import Target
from edgecompress.convert.tflite.int8_kernels.few_levels import levels_of
from edgecompress.environment import load_keras
from edgecompress.formats.tflite.file import read_graph


@given(st.integers(1, 63), st.floats(1e-6, 1e3), st.integers(0, 99))
def test_levels_are_found(levels: int, step: float, seed: int) -> None:
    drawn = np.random.default_rng(seed).integers(-levels, levels + 1, 40)
    drawn[:2] = levels, levels - 1  # neighbours have no divisor in common but 1
    assert levels_of((drawn * np.float32(step)).astype(np.float32).astype(np.float64)) == levels


def test_what_has_no_levels_is_left_alone() -> None:
    assert levels_of(np.zeros(4)) == 0
    assert levels_of(np.random.default_rng(0).normal(size=40)) == 0
    assert levels_of(np.array([127.0, 126, 1])) == 0
    assert levels_of(np.array([0, 0.3, -0.3])) == 1


@pytest.mark.parametrize("levels", [3, 7, 31])
def test_a_file_has_the_kernels_of_few_levels(levels: int, tmp_path) -> None:
    """A convolution with a batch norm that turns some filters around, a depthwise one, and a dense layer."""
    keras = load_keras()
    keras.utils.set_random_seed(1)
    random = np.random.default_rng(levels)
    image = keras.Input((6, 6, 3), name="image")
    x = keras.layers.Conv2D(5, 3, use_bias=False, name="conv")(image)
    x = keras.layers.ReLU(name="relu")(keras.layers.BatchNormalization(name="norm")(x))
    x = keras.layers.DepthwiseConv2D(3, name="deep")(x)
    x = keras.layers.Dense(4, use_bias=False, name="scores")(keras.layers.Flatten(name="flat")(x))
    model = keras.Model(image, x, name="net")
    for name in ("conv", "deep", "scores"):
        kernel, *rest = model.get_layer(name).get_weights()
        whole = random.integers(-levels, levels + 1, kernel.shape)
        flat = whole.reshape(-1, whole.shape[-1] if name != "deep" else whole.shape[2])
        flat[0], flat[1] = levels, levels - 1
        model.get_layer(name).set_weights([(flat.reshape(kernel.shape) * 0.0123).astype(np.float32), *rest])
    gamma, beta, mean, variance = model.get_layer("norm").get_weights()
    model.get_layer("norm").set_weights([gamma * [1, -2, 0.5, -0.1, 3], beta + 0.3, mean + 0.1, variance * 0.7])
    inputs = random.normal(size=(32, 6, 6, 3)).astype(np.float32)
    convert(Source("dense", model, "test"), (Target("tflite", "int8"),), tmp_path, calibration=(inputs,))
    graph = read_graph(tmp_path / "dense.int8.tflite")
    seen = 0
    for operator in graph.operators:
        if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            codes = graph.stored_constant(operator.inputs[1]).dense()
            assert not (codes % (127 // levels)).any() and np.abs(codes).max() == levels * (127 // levels)
            seen += 1
    assert seen == 3
