"""New classifiers, in the place of every form of an old one; what was trained below them stays as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.head import HEAD, end_of, with_end, with_new_head

keras: Any = load_keras()
layers = keras.layers


def backbone(image: Any) -> Any:
    return layers.ReLU()(layers.BatchNormalization(name="norm")(layers.Conv2D(6, 3, name="conv")(image)))


def dense(image: Any) -> Any:
    pooled = layers.GlobalAveragePooling2D()(backbone(image))
    return layers.Dense(7, activation="softmax", name="scores")(layers.Dropout(0.2)(pooled))


def logits(image: Any) -> Any:
    return layers.Dense(7, name="scores")(layers.Flatten()(backbone(image)))


def apart(image: Any) -> Any:
    return layers.Softmax()(layers.Dense(7, name="scores")(layers.GlobalAveragePooling2D()(backbone(image))))


def as_mobilenet(image: Any) -> Any:
    x = layers.Reshape((1, 1, 6))(layers.GlobalAveragePooling2D()(backbone(image)))
    x = layers.Reshape((7,))(layers.Conv2D(7, 1, name="scores")(x))
    return layers.Activation("softmax")(x)


def as_squeezenet(image: Any) -> Any:
    x = layers.Activation("relu")(layers.Conv2D(7, 1, name="scores")(backbone(image)))
    return layers.Activation("softmax")(layers.GlobalAveragePooling2D()(x))


def nested(image: Any) -> Any:
    inner = keras.Input((8, 8, 3))
    return keras.Model(inner, dense(inner), name="inner")(image)


def pooled(image: Any) -> Any:
    return layers.GlobalAveragePooling2D()(backbone(image))


@pytest.mark.parametrize(
    ("end", "probabilities", "name"),
    [
        (dense, True, "scores"),
        (logits, False, "scores"),
        (apart, True, "scores"),
        (as_mobilenet, True, "scores"),
        (as_squeezenet, True, "scores"),
        (nested, True, "scores"),
        (backbone, False, HEAD),
        (pooled, False, HEAD),
    ],
)
def test_a_classifier_is_replaced_or_added(end: Callable[[Any], Any], probabilities: bool, name: str) -> None:
    image = keras.Input((8, 8, 3))
    model = copy_model(keras.Model(image, end(image), name="mine"))
    assert end_of(model) == ("softmax" if probabilities else "linear")
    before = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    renewed, head = with_new_head(model, 5)
    assert head == name
    assert renewed.outputs[0].shape == (None, 5)
    assert (end_of(renewed) == "softmax") == (probabilities or name == HEAD)
    scores = renewed.predict_on_batch(np.random.default_rng(0).random((2, 8, 8, 3), np.float32))
    if end_of(renewed) == "softmax":
        # float32 sums of five shares: a few units in the last place.
        np.testing.assert_allclose(scores.sum(-1), 1, atol=1e-5)
    for layer in renewed.layers:
        if layer.weights and layer.name != head:
            for old, new in zip(before[layer.name], layer.get_weights(), strict=True):
                np.testing.assert_array_equal(old, new)
    again = copy_model(renewed)  # as whatever trains it does
    assert again.count_params() == renewed.count_params()


@pytest.mark.parametrize("activation", ["linear", "sigmoid"])
@pytest.mark.parametrize("end", [dense, apart, as_mobilenet, as_squeezenet, nested])
def test_another_end_has_the_same_weights(end: Callable[[Any], Any], activation: str) -> None:
    image = keras.Input((8, 8, 3))
    model = copy_model(keras.Model(image, end(image), name="mine"))
    images = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    shares = model.predict_on_batch(images).reshape(2, -1)
    changed = with_end(model, activation)
    assert end_of(changed) == activation
    scores = changed.predict_on_batch(images).reshape(2, -1)
    if activation == "sigmoid":
        scores = np.log(scores / (1 - scores))
    shifted = np.exp(scores - scores.max(-1, keepdims=True))
    # float32 exponentials and logarithms of numbers around one: a few units in the last place each.
    np.testing.assert_allclose(shifted / shifted.sum(-1, keepdims=True), shares, rtol=1e-4)
    assert with_end(changed, "softmax") is changed


def test_a_sequence_gets_a_classifier_of_its_mean() -> None:
    image = keras.Input((8, 8, 3))
    sequence = copy_model(keras.Model(image, layers.Reshape((64, 3))(image), name="sequence"))
    renewed, head = with_new_head(sequence, 5)
    assert head == HEAD and renewed.outputs[0].shape == (None, 5)


def test_what_has_no_place_for_a_classifier_is_refused() -> None:
    image = keras.Input((8, 8, 3))
    volume = copy_model(keras.Model(image, layers.Reshape((4, 4, 4, 3))(image), name="volume"))
    with pytest.raises(UnsupportedModelError, match="neither a map of features"):
        with_new_head(volume, 5)
    both = keras.Input((4,))
    shared = layers.Dense(4, name="shared")
    with pytest.raises(UnsupportedModelError, match=r"'shared', the last layer of 'twice' .* is called more than once"):
        with_new_head(copy_model(keras.Model(both, shared(layers.ReLU()(shared(both))), name="twice")), 5)
