"""Shared weights compute as decoded ones do, and a value's gradient is the sum of its members'."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.keras_bridge.graph import replay
from edgecompress.layers.decoders import NearestValues, SharedValues
from edgecompress.layers.virtual import VirtualLayer
from edgecompress.numerics.codebook import Codebook, share

layers = load_keras().layers
IMAGES = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype(np.float32)


def test_a_gradient_by_hand() -> None:
    tensorflow = load_tensorflow()
    decoder = SharedValues(Codebook(np.array([2.0, -1.0], np.float32), np.array([[1, 2, 0], [1, 1, 2]])))
    values = tensorflow.Variable([2.0, -1.0])
    with tensorflow.GradientTape() as tape:
        decoded = decoder.tensor({"values": values})
        loss = tensorflow.reduce_sum(decoded * [[1.0, 10.0, 100.0], [2.0, 4.0, 30.0]])
    np.testing.assert_array_equal(decoded, [[2.0, -1.0, 0.0], [2.0, 2.0, -1.0]])
    np.testing.assert_array_equal(decoder.array({"values": values.numpy()}), decoded)
    np.testing.assert_array_equal(tape.gradient(loss, values), [1 + 2 + 4, 10 + 30])


@pytest.mark.parametrize("keeps_zeros", [False, True])
def test_a_gradient_of_nearest_values_by_hand(keeps_zeros: bool) -> None:
    tensorflow = load_tensorflow()
    kernel = np.array([[0.0, 1.1, 0.6], [-3.0, 0.2, 0.0]], np.float32)
    decoder = NearestValues(kernel, np.array([-2.0, 0.0, 1.0], np.float32), keeps_zeros)
    # Its values have passed one another, and one has no members; 0.6 is nearer to 0.75 now than to 0.25.
    theta = {"latent": tensorflow.Variable(kernel), "values": tensorflow.Variable([0.75, 0.25, 9.0])}
    with tensorflow.GradientTape() as tape:
        decoded = decoder.tensor(theta)
        loss = tensorflow.reduce_sum(decoded * [[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    zero = 0.0 if keeps_zeros else 0.25
    np.testing.assert_array_equal(decoded, [[zero, 0.75, 0.75], [0.25, 0.25, zero]])
    latent, values = tape.gradient(loss, [theta["latent"], theta["values"]])
    np.testing.assert_array_equal(latent, [[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    np.testing.assert_array_equal(values, [2 + 4, 8 + 16 + (0 if keeps_zeros else 1 + 32), 0.0])
    np.testing.assert_array_equal(decoder.array({name: each.numpy() for name, each in theta.items()}), decoded)


def test_nearest_values_are_the_same_bits_in_both_ways_and_in_each_run() -> None:
    tensorflow, random = load_tensorflow(), np.random.default_rng(0)
    latent, upstream = random.normal(size=(2, 300, 1000)).astype(np.float32)
    latent[latent < -1] = 0
    start = np.unique(random.choice(latent.ravel(), 64)).astype(np.float32)
    decoder = NearestValues(latent, start, keeps_zeros=True)
    theta = {"latent": tensorflow.Variable(latent), "values": tensorflow.Variable(random.permutation(start))}

    @tensorflow.function
    def step():
        with tensorflow.GradientTape() as tape:
            decoded = decoder.tensor(theta)
        return decoded, tape.gradient(decoded, theta["values"], upstream)

    decoded, gradient = step()
    found = decoder.array({name: each.numpy() for name, each in theta.items()})
    assert found.tobytes() == decoded.numpy().tobytes()
    assert {step()[1].numpy().tobytes() for _ in range(20)} == {gradient.numpy().tobytes()}


def test_a_kernel_of_zeros_stays_one() -> None:
    decoder = NearestValues(np.zeros((2, 2), np.float32), np.zeros(0, np.float32), keeps_zeros=True)
    np.testing.assert_array_equal(decoder.tensor(decoder.start()), np.zeros((2, 2)))
    np.testing.assert_array_equal(decoder.array(decoder.start()), np.zeros((2, 2)))


def test_masks_are_made_and_passed_on() -> None:
    keras = load_keras()
    tokens = keras.Input((5,), dtype="int32")
    embedding, dense = layers.Embedding(7, 3, mask_zero=True, name="embedding"), layers.Dense(4, name="dense")
    plain = keras.Model(tokens, layers.GlobalAveragePooling1D()(dense(embedding(tokens))))
    virtual = {
        layer.name: VirtualLayer(layer, {name: SharedValues(Codebook.of(getattr(layer, name).numpy()))})
        for layer, name in ((embedding, "embeddings"), (dense, "kernel"))
    }
    shared = replay(plain, lambda layer, prefix: virtual.get(layer.name, layer))
    inputs = np.array([[1, 2, 0, 0, 0], [3, 0, 4, 5, 6]])
    np.testing.assert_array_equal(shared(inputs), plain(inputs))


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.Dense(5), "kernel"),
        (layers.Conv2D(5, 3), "kernel"),
        (layers.Conv2DTranspose(5, 3), "kernel"),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), "kernel"),
        (layers.Dense(40), "bias"),
    ],
)
def test_any_layer_computes_with_decoded_weights(layer, name: str) -> None:
    layer(IMAGES)
    fresh = type(layer).from_config(layer.get_config())
    fresh.build(IMAGES.shape)
    fresh.set_weights([np.random.default_rng(1).normal(size=w.shape).astype(np.float32) for w in layer.get_weights()])
    book = share(getattr(fresh, name).numpy(), 4)
    others = [weight for weight in fresh.weights if weight is not getattr(fresh, name)]
    shared = VirtualLayer(fresh, {name: SharedValues(book)})
    found = shared(IMAGES)
    assert [weight.shape for weight in shared.trainable_weights] == [(4,), *(weight.shape for weight in others)]
    shared.copy_to(layer)
    np.testing.assert_array_equal(found, layer(IMAGES))
    np.testing.assert_array_equal(getattr(layer, name), book.decode())
    for mine, its in zip(others, [w for w in layer.weights if w is not getattr(layer, name)], strict=True):
        np.testing.assert_array_equal(mine, its)


def test_looked_up_embeddings_are_trained() -> None:
    tensorflow = load_tensorflow()
    layer = layers.Embedding(4, 2)
    layer.build((1,))
    shared = VirtualLayer(layer, {"embeddings": SharedValues(Codebook(np.ones(2, np.float32), np.array([[1, 2]] * 4)))})
    with tensorflow.GradientTape() as tape:
        loss = tensorflow.reduce_sum(shared(np.array([[0, 3, 3]])))
    np.testing.assert_array_equal(tape.gradient(loss, shared.trainable_weights[0]), [3.0, 3.0])


@pytest.mark.parametrize("trainable", [True, False])
def test_a_layer_that_is_not_trained_computes_with_decoded_weights_too(trainable: bool) -> None:
    """There its kernel is among what is not trained, where a look-up by kind would not find it."""
    layer = layers.Dense(2, use_bias=False)
    layer.build((None, 2))
    layer.trainable = trainable
    book = Codebook(np.array([2.0, -1.0], np.float32), np.array([[1, 2], [0, 1]]))
    shared = VirtualLayer(layer, {"kernel": SharedValues(book)})
    np.testing.assert_array_equal(shared(np.array([[1.0, 10.0]], np.float32)), [[2.0, -1.0 + 20.0]])
    assert len(shared.trainable_weights) == trainable
    assert shared.replaced == (layer.kernel,) and not layer.kernel.trainable


def test_a_regularizer_is_of_the_decoded_weights() -> None:
    layer = layers.Dense(2, kernel_regularizer=load_keras().regularizers.L1(0.5))
    layer.build((None, 2))
    book = Codebook(np.array([2.0, -1.0], np.float32), np.array([[1, 2], [0, 1]]))
    shared = VirtualLayer(layer, {"kernel": SharedValues(book)})
    shared(np.ones((1, 2), np.float32))
    assert [float(loss) for loss in shared.losses] == [0.5 * (2 + 1 + 0 + 2)]


def test_what_a_layer_changes_while_it_is_trained_is_kept() -> None:
    """Of a layer with decoded weights and a state of its own, as a random number generator is."""
    inner = layers.BatchNormalization(momentum=0.5)
    inner.build((None, 2))
    book = Codebook(np.array([2.0], np.float32), np.array([1, 1]))
    shared = VirtualLayer(inner, {"gamma": SharedValues(book)})
    values = np.array([[0.0, 2.0], [2.0, 6.0]], np.float32)
    found = np.asarray(shared(values, training=True))
    np.testing.assert_allclose(inner.moving_mean, [0.5, 2.0])  # half of the means
    deviations = np.sqrt(values.var(0) + inner.epsilon)
    np.testing.assert_allclose(found, 2.0 * (values - values.mean(0)) / deviations, rtol=8 * 2.0**-24)
