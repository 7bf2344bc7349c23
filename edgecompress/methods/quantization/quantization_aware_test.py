"""What is quantized, what stays float and why, and that the float twin is the trained network."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import MethodError
from edgecompress.methods.compress import compress
from edgecompress.methods.quantization import QuantizationAwareTraining


def test_what_tfmot_cannot_wrap_stays_float_with_the_reason(awkward_model, trainer) -> None:
    outcome = compress(awkward_model, QuantizationAwareTraining(engine="tf-mot"), trainer)
    kept = {note.layer: note.reason for note in outcome.notes if note.action == "kept float"}
    assert kept["hard_swish"] == "TF-MOT has no 8-bit form of Multiply"
    assert any("add" in reason for reason in kept.values())
    quantized = {note.layer for note in outcome.notes if note.action == "quantized"}
    assert {"stem", "separable_depthwise", "separable_pointwise", "up", "branch", "scores"} <= quantized


def test_a_batch_norm_with_nothing_to_fold_into_stays_float(trainer) -> None:
    from edgecompress.environment import load_keras

    keras = load_keras()
    image = keras.Input((8, 8, 4))
    x = keras.layers.BatchNormalization(name="first_bn")(image)
    x = keras.layers.Flatten()(x)
    model = keras.Model(image, keras.layers.Dense(4, activation="softmax")(x))
    outcome = compress(model, QuantizationAwareTraining(engine="tf-mot"), trainer)
    notes = {note.layer: note for note in outcome.notes}
    assert "not directly behind a convolution" in notes["first_bn"].reason


def test_a_kernel_before_a_relu_layer_is_quantized(plain_model, trainer) -> None:
    """TF-MOT by itself takes the whole quantization of such a layer away."""
    outcome = compress(plain_model, QuantizationAwareTraining(), trainer)
    names = {weight.name.split("/")[-1].split(":")[0] for weight in outcome.quantized.get_layer("quant_conv").weights}
    assert {"kernel_min", "kernel_max"} <= names


def test_layers_are_kept_float_on_request(plain_model, trainer) -> None:
    outcome = compress(plain_model, QuantizationAwareTraining(keep_float="scores"), trainer)
    actions = {note.layer: note.action for note in outcome.notes}
    assert actions["scores"] == "kept float" and actions["conv"] == "quantized"
    with pytest.raises(MethodError, match="not a regular expression"):
        QuantizationAwareTraining(keep_float="[")


def test_the_float_twin_has_the_trained_weights(plain_model, trainer, inputs) -> None:
    outcome = compress(plain_model, QuantizationAwareTraining(), trainer)
    before = plain_model.get_layer("conv").get_weights()[0]
    after = outcome.model.get_layer("conv").get_weights()[0]
    assert not np.array_equal(before, after)
    exact = outcome.model.predict(inputs, verbose=0)
    rounded = outcome.quantized.predict(inputs, verbose=0)
    # Each of the few roundings moves a value by at most 1/255 of its range: the scores, in [0, 1], stay close.
    assert np.abs(exact - rounded).max() < 0.1
    assert not np.array_equal(exact, rounded)
