"""What is rounded is on the grid of a file, ranges follow what they see, and gradients pass where they should."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.layers.decoders import Masked, SharedValues
from edgecompress.layers.rounding.activation_range import MOMENTUM, ActivationRange, FileRecord
from edgecompress.layers.rounding.fake_quantization import FakeQuantized
from edgecompress.layers.rounding.split_activation import SplitActivation
from edgecompress.numerics.codebook import Codebook

NUMBERS = np.linspace(-2, 3, 101, dtype=np.float32)
KERNEL = np.random.default_rng(0).normal(size=(3, 3, 2, 5)).astype(np.float32)


def test_numbers_become_those_of_the_256_codes() -> None:
    layer = ActivationRange(tensor="x", low=-1.0, high=1.55)  # of a scale of 0.01, and the zero point -28
    found = np.asarray(layer(NUMBERS))
    codes = np.clip(np.rint(NUMBERS / np.float32(0.01)) - 28, -128, 127)
    np.testing.assert_allclose(found, (codes + 28) * 0.01, atol=1e-6)
    assert 0.0 in found  # zero is one of them, whatever the range


@pytest.mark.parametrize(("low", "high", "expected"), [(0.5, 2.0, (0.0, 2.0)), (-3.0, -1.0, (-3.0, 0.0))])
def test_a_range_holds_zero(low: float, high: float, expected: tuple[float, float]) -> None:
    assert ActivationRange(tensor="x", low=low, high=high).range == expected


def test_a_moving_range_follows_a_training_and_nothing_else() -> None:
    layer = ActivationRange(tensor="x", low=-1.0, high=1.0)
    layer(NUMBERS)
    assert layer.range == (-1.0, 1.0)
    layer(NUMBERS, training=True)
    assert layer.range == pytest.approx((-MOMENTUM - 2 * (1 - MOMENTUM), MOMENTUM + 3 * (1 - MOMENTUM)))
    fixed = ActivationRange(tensor="x", low=-1.0, high=1.0, kind="fixed")
    fixed(NUMBERS, training=True)
    assert fixed.range == (-1.0, 1.0) and not fixed.trainable_variables


def test_gradients_pass_in_the_range_and_reach_a_learned_end() -> None:
    tensorflow = load_tensorflow()
    layer = ActivationRange(tensor="x", low=-1.0, high=1.0, kind="learned")
    inputs = tensorflow.constant(NUMBERS)
    with tensorflow.GradientTape() as tape:
        tape.watch(inputs)
        loss = tensorflow.reduce_sum(layer(inputs))
    to_inputs, *to_ends = tape.gradient(loss, [inputs, *(each.value for each in layer.trainable_variables)])
    inside = (NUMBERS > -0.99) & (NUMBERS < 0.99)
    assert (np.asarray(to_inputs)[inside] == 1).all() and not np.asarray(to_inputs)[abs(NUMBERS) > 1.01].any()
    beyond = [np.count_nonzero(NUMBERS < -1.005), np.count_nonzero(NUMBERS > 1.005)]
    assert [float(each) for each in to_ends] == pytest.approx(beyond, abs=1)  # an end itself is on either side


@pytest.mark.parametrize("shared", [(0, 1, 2, 3), (0, 1, 2)])
def test_kernels_are_few_codes_and_train_straight_through(shared: tuple[int, ...]) -> None:
    tensorflow = load_tensorflow()
    decoder = FakeQuantized(Masked(KERNEL, keeps_zeros=False), shared)
    theta = {name: tensorflow.Variable(start) for name, start in decoder.start().items()}
    with tensorflow.GradientTape() as tape:
        found = decoder.tensor(theta)
        loss = tensorflow.reduce_sum(found * KERNEL)
    scale = np.abs(KERNEL).max(shared, keepdims=True) / 127
    codes = np.asarray(found) / scale
    np.testing.assert_allclose(codes, np.rint(codes), atol=1e-4)
    assert np.abs(codes).max() == pytest.approx(127) and np.abs(found - KERNEL).max() <= 0.501 * scale.max()
    np.testing.assert_allclose(decoder.array({"latent": KERNEL}), found, rtol=1e-6)
    np.testing.assert_array_equal(tape.gradient(loss, theta["latent"]), KERNEL)


def test_zeros_and_shared_values_are_rounded_as_they_are() -> None:
    pruned = np.where(np.abs(KERNEL) > 0.5, KERNEL, np.float32(0))
    moved = {"latent": pruned + np.float32(0.1)}
    for found in (FakeQuantized(Masked(pruned, keeps_zeros=True), (0, 1, 2)).array(moved),):
        assert not found[pruned == 0].any() and found[pruned != 0].any()
    book = Codebook.of(np.round(pruned * 2) / 2)
    found = FakeQuantized(SharedValues(book), (0, 1, 2, 3)).array({"values": book.values})
    assert len(np.unique(found)) == len(np.unique(book.decode())) and not found[book.decode() == 0].any()


@pytest.mark.parametrize(
    "layer",
    [
        ActivationRange(tensor="net/conv/Relu", low=-1.0, high=2.0, name="a"),
        FileRecord(layers=["conv"], ranges={"net/norm/mean": (-1.0, 2.0)}, name="b"),
        SplitActivation("relu", of="conv", name="c"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_it_is_saved_with_all_that_it_says(layer) -> None:
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    keras = load_keras()
    inputs = keras.Input((4,))
    assert keras.Model(inputs, layer(inputs)).output_shape == (None, 4)
