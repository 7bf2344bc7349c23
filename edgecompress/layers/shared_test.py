"""Shared weights compute as decoded ones do, and a value's gradient is the sum of its members'."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.layers.shared import SharedWeights, decoder
from edgecompress.numerics.codebook import Codebook, share

layers = load_tf_keras().layers
IMAGES = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype(np.float32)


def test_a_gradient_by_hand() -> None:
    tensorflow = load_tensorflow()
    decode = decoder(Codebook(np.array([2.0, -1.0], np.float32), np.array([[1, 2, 0], [1, 1, 2]])))
    values = tensorflow.Variable([2.0, -1.0])
    with tensorflow.GradientTape() as tape:
        decoded = decode(values)
        loss = tensorflow.reduce_sum(decoded * [[1.0, 10.0, 100.0], [2.0, 4.0, 30.0]])
    np.testing.assert_array_equal(decoded, [[2.0, -1.0, 0.0], [2.0, 2.0, -1.0]])
    np.testing.assert_array_equal(tape.gradient(loss, values), [1 + 2 + 4, 10 + 30])


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (layers.Dense(5), "kernel"),
        (layers.Conv2D(5, 3), "kernel"),
        (layers.Conv2DTranspose(5, 3), "kernel"),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), "depthwise_kernel"),
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
    shared = SharedWeights(fresh, {name: book})
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
    shared = SharedWeights(layer, {"embeddings": Codebook(np.ones(2, np.float32), np.array([[1, 2]] * 4))})
    with tensorflow.GradientTape() as tape:
        loss = tensorflow.reduce_sum(shared(np.array([[0, 3, 3]])))
    np.testing.assert_array_equal(tape.gradient(loss, shared.trainable_weights[0]), [3.0, 3.0])
