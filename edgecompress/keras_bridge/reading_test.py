"""What Keras itself wrote and cannot read back is refused by the layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecompress.environment import load_tf_keras, load_tfmot
from edgecompress.errors import UnsupportedModelError
from edgecompress.loading import load_model


def test_a_layer_that_keras_3_does_not_read_back_from_h5(tmp_path: Path) -> None:
    load_tf_keras()  # first
    import keras

    steps = keras.Input((5, 4))
    attention = keras.layers.Attention(name="looks")([steps, keras.layers.Dense(4)(steps)])  # "dot" becomes a function
    keras.Model(steps, attention).save(tmp_path / "model.h5")
    with pytest.raises(UnsupportedModelError, match=r"Layer 'looks' \(Attention\) .* cannot be rebuilt") as caught:
        load_model(tmp_path / "model.h5")
    assert ".keras format" in caught.value.hint


def test_operations_of_keras_3_in_h5(tmp_path: Path) -> None:
    load_tf_keras()  # first
    import keras

    steps = keras.Input((5, 4))
    doubled = keras.layers.Flatten(name="flat")(keras.ops.multiply(steps, 2.0))  # a layer has this name, too
    keras.Model(steps, doubled).save(tmp_path / "model.h5")
    with pytest.raises(UnsupportedModelError, match=r"no layers, 'multiply.*' \(Multiply\);") as caught:
        load_model(tmp_path / "model.h5")
    assert "flat" not in caught.value.message and ".keras format" in caught.value.hint
    keras.Model(steps, keras.ops.softmax(steps, axis=None)).save(tmp_path / "model.h5")  # Keras reads another axis
    with pytest.raises(UnsupportedModelError, match=r"no layers, 'softmax.*' \(Softmax\);"):
        load_model(tmp_path / "model.h5")


def test_operations_of_keras_3_that_h5_keeps(tmp_path: Path) -> None:
    load_tf_keras()  # first
    import keras

    steps = keras.Input((5, 4))
    model = keras.Model(steps, keras.ops.concatenate([steps, keras.ops.softmax(steps, axis=1)], axis=2))
    model.save(tmp_path / "model.h5")
    numbers = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    # one exponential and one sum of five: a few roundings of 2^-24 of what is at most 1
    np.testing.assert_allclose(
        load_model(tmp_path / "model.h5")(numbers)[..., 4:], model(numbers)[..., 4:], atol=2.0**-21
    )


def test_fake_quantization_in_the_keras_format(tmp_path: Path) -> None:
    layers = load_tf_keras().layers
    network = load_tf_keras().Sequential([layers.Input((4,)), layers.Dense(3, name="head")])
    load_tfmot().quantization.keras.quantize_model(network).save(tmp_path / "model.keras")
    with pytest.raises(UnsupportedModelError, match=r"fake quantization, at .*'quant_head', which Keras 2 cannot read"):
        load_model(tmp_path / "model.keras")
