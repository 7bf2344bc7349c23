"""The two convolutions of a separable one compute the same, and are trained as it was."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.splitting.separable import split_separable

keras = load_keras()


@pytest.mark.parametrize("trainable", [True, False])
def test_options_and_weights_are_kept(trainable: bool) -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((9, 9, 3))
    layer = keras.layers.SeparableConv2D(
        5, (3, 2), padding="same", dilation_rate=2, depth_multiplier=2, activation="relu",
        name="x", trainable=trainable,
        depthwise_regularizer=keras.regularizers.L1(0.1), pointwise_regularizer=keras.regularizers.L2(0.2),
        bias_regularizer=keras.regularizers.L2(0.3), activity_regularizer=keras.regularizers.L2(0.4),
        depthwise_constraint=keras.constraints.MaxNorm(2), pointwise_constraint=keras.constraints.NonNeg(),
        bias_initializer="ones",
    )  # fmt: skip
    model = keras.Model(image, layer(image))
    split = split_separable(model)
    depthwise, pointwise = split.get_layer("x_depthwise"), split.get_layer("x_pointwise")
    assert depthwise.trainable is pointwise.trainable is trainable
    assert len(split.trainable_weights) == (3 if trainable else 0)
    assert float(depthwise.depthwise_regularizer.l1) == pytest.approx(0.1) and depthwise.use_bias is False
    assert depthwise.depthwise_constraint.max_value == 2 and depthwise.activity_regularizer is None
    assert isinstance(pointwise.kernel_constraint, keras.constraints.NonNeg)
    found = (pointwise.kernel_regularizer, pointwise.bias_regularizer, pointwise.activity_regularizer)
    assert [float(each.l2) for each in found] == pytest.approx([0.2, 0.3, 0.4])
    pixels = np.random.default_rng(0).normal(size=(2, 9, 9, 3)).astype("float32")
    # 12 + 6 terms of size one in float32, possibly in another order
    np.testing.assert_allclose(split(pixels), model(pixels), rtol=0, atol=1e-5)
    if trainable:
        assert float(sum(split.losses)) == pytest.approx(float(sum(model.losses)), rel=1e-4)


def test_a_dtype_of_its_own_is_kept() -> None:
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, keras.layers.SeparableConv2D(4, 3, dtype="mixed_float16", name="x")(image))
    split = split_separable(model)
    assert split.get_layer("x_depthwise").compute_dtype == split.get_layer("x_pointwise").compute_dtype == "float16"
