"""Keras 3 layers and operations with their options: each is equal in Keras 2, or refused by name and reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_tensorflow
from edgecompress.errors import UnsupportedModelError
from edgecompress.tfmot.to_keras2.layers import LAYERS, NOTHING_AT_INFERENCE
from edgecompress.tfmot.to_keras2.translation import translate

load_tensorflow()  # before Keras 3
import keras  # noqa: E402
from keras import layers, ops  # noqa: E402

IMAGE, STEPS, VECTOR, VOLUME, IDS = (6, 6, 4), (5, 4), (7,), (4, 4, 4, 2), (5,)
CELLS = ("LSTM", "GRU", "SimpleRNN")


def adapted(axis: Any) -> Any:
    layer = layers.Normalization(axis=axis)
    layer.adapt(np.random.default_rng(0).normal(3, 2, (20, *IMAGE)).astype("float32"))
    return layer


def twice(layer: Any) -> Callable[[Any], Any]:
    return lambda x: layer(layer(x))


def nested(x: Any) -> Any:
    inner = keras.Sequential([keras.Input(IMAGE), layers.Conv2D(4, 1, name="c"), layers.ReLU(name="r")], name="inner")
    return layers.Conv2D(3, 1, name="c")(inner(inner(x)))


EQUAL: list[tuple[tuple[int, ...], Callable[[Any], Any]]] = [
    *((STEPS, getattr(layers, cell)(3, activation=inside)) for cell in CELLS for inside in ("tanh", "silu", "relu6")),
    *((STEPS, getattr(layers, cell)(3, return_sequences=True, go_backwards=True)) for cell in CELLS),
    *((STEPS, getattr(layers, cell)(3, return_state=True)) for cell in CELLS),
    (STEPS, layers.LSTM(3, activation="leaky_relu", recurrent_activation="softsign", use_bias=False)),
    (STEPS, layers.GRU(3, reset_after=False, dropout=0.2, recurrent_dropout=0.2)),
    (STEPS, layers.LSTM(3, unroll=True, unit_forget_bias=False)),
    (STEPS, layers.Conv1D(3, 3, padding="causal", dilation_rate=2, groups=1)),
    (STEPS, layers.ZeroPadding1D((1, 2))),
    (STEPS, lambda x: layers.MultiHeadAttention(2, 3, value_dim=5)(x, x, use_causal_mask=True)),
    (STEPS, lambda x: layers.MultiHeadAttention(2, 3)(query=x, value=x, key=x)),
    (STEPS, lambda x: layers.Attention(use_scale=True)([x, x], use_causal_mask=True)),
    *(
        (STEPS, layers.Bidirectional(getattr(layers, cell)(3), merge_mode=mode))
        for cell, mode in zip((*CELLS, *CELLS), ("concat", "sum", "ave", "mul", None, "concat"), strict=True)
    ),
    (STEPS, layers.Bidirectional(layers.GRU(3, return_sequences=True, unroll=True, activation="silu"))),
    (STEPS, layers.Bidirectional(layers.LSTM(3), backward_layer=layers.GRU(3, go_backwards=True))),
    (STEPS, layers.TimeDistributed(layers.Dense(3, activation="relu6"))),
    ((3, *IMAGE), layers.TimeDistributed(layers.Conv2D(3, 3, activation="tanh"))),
    ((3, *IMAGE), layers.TimeDistributed(layers.BatchNormalization())),
    (STEPS, layers.RNN(layers.LSTMCell(3, activation="silu"), return_sequences=True)),
    (STEPS, layers.RNN([layers.GRUCell(3), layers.SimpleRNNCell(2)], unroll=True)),
    (STEPS, lambda x: layers.LSTM(3)(x, initial_state=[layers.Dense(3)(x[:, 0]), layers.Dense(3)(x[:, 1])])),
    (STEPS, lambda x: layers.GRU(4)(x, initial_state=x[:, 0])),
    (IDS, layers.Embedding(11, 3, mask_zero=True)),
    (IMAGE, layers.Conv2D(6, 3, strides=2, padding="same", activation="hard_sigmoid")),
    (IMAGE, layers.Conv2D(6, 3, activation=layers.LeakyReLU(0.1))),
    (IMAGE, layers.Conv2D(6, 3, activation=layers.Softmax(axis=1))),
    (IMAGE, layers.Conv2D(6, 3, activation="leaky_relu", groups=2)),
    (IMAGE, layers.Conv2DTranspose(3, 3, strides=2, padding="valid", output_padding=1, activation="mish")),
    (IMAGE, layers.DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2, padding="same", activation="log_softmax")),
    (IMAGE, twice(layers.Conv2D(4, 3, padding="same", activation="hard_silu"))),
    (IMAGE, layers.BatchNormalization(renorm=True)),
    (IMAGE, layers.BatchNormalization(axis=1, epsilon=0.1, scale=False)),
    (IMAGE, layers.LayerNormalization(axis=[1, 2], epsilon=0.1)),
    (IMAGE, adapted(-1)),
    (IMAGE, adapted(None)),
    (IMAGE, adapted((1, 2))),
    (IMAGE, layers.Normalization(mean=2.0, variance=3.0, invert=True)),
    (IMAGE, layers.Rescaling([0.1, 0.2, 0.3, 0.4], offset=-1.0)),
    (IMAGE, layers.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.2)),
    (IMAGE, layers.LeakyReLU(0.4)),
    (IMAGE, layers.Softmax(axis=1)),
    (IMAGE, layers.Resizing(3, 4)),
    (IMAGE, layers.Resizing(9, 9, interpolation="nearest")),
    (IMAGE, layers.CenterCrop(4, 3)),
    (IMAGE, layers.GlobalAveragePooling2D(keepdims=True)),
    (IMAGE, lambda x: layers.Dropout(0.5)(x, training=True)),
    (IMAGE, nested),
    (VOLUME, layers.Conv3D(2, 3, padding="same", activation="relu6")),
    (VECTOR, layers.Dense(3, kernel_regularizer="l2", bias_constraint="non_neg", activation="silu")),
    (IMAGE, lambda x: ops.softmax(x, axis=1)),
    (IMAGE, lambda x: ops.mean(x, axis=[1, 2])),
    (IMAGE, lambda x: ops.mean(x, axis=-1, keepdims=True)),
    (IMAGE, lambda x: ops.sum(x, axis=1)),
    (IMAGE, lambda x: ops.max(x, axis=(1, 2), keepdims=True)),
    (IMAGE, lambda x: ops.leaky_relu(x, negative_slope=0.3)),
    (IMAGE, lambda x: ops.elu(x, alpha=0.3)),
    (IMAGE, lambda x: ops.gelu(x, approximate=True)),
    (IMAGE, lambda x: ops.gelu(x, approximate=False)),
    (IMAGE, lambda x: ops.clip(x, -1, 0.5)),
    (IMAGE, lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]])),
    (IMAGE, lambda x: ops.transpose(ops.reshape(x, (-1, 36, 4)), (0, 2, 1))),
    (IMAGE, lambda x: ops.concatenate([x, -x], axis=2)),
    *((IMAGE, function) for function in (ops.sign, ops.floor, ops.ceil, ops.sin, ops.cos, ops.log_sigmoid)),
    *(
        (IMAGE, lambda x, function=function: function(x, axis=1, keepdims=True))
        for function in (ops.var, ops.std, ops.prod, ops.logsumexp, ops.argmax, ops.argmin)
    ),
    (IMAGE, lambda x: ops.reciprocal(2.5 + ops.sign(x))),
    (IMAGE, lambda x: ops.where(x > 0, x, 0.1 * x)),
    (IMAGE, lambda x: ops.cast(ops.logical_and(x >= -0.5, ops.logical_not(x <= 0.5)), "float32")),
    (IMAGE, lambda x: ops.cast(ops.logical_or(x < 0, ops.equal(ops.floor(x), 1.0)), "int32")),
    (IMAGE, lambda x: ops.split(x, 2, axis=-1)),
    (IMAGE, lambda x: ops.split(x, [1, 3], axis=2)),
    (IMAGE, lambda x: ops.repeat(x, 2, axis=-2)),
    (IMAGE, lambda x: ops.swapaxes(ops.flip(x, axis=1), 1, -1)),
    (IMAGE, lambda x: ops.log_softmax(x, axis=1)),
    (IMAGE, lambda x: ops.einsum("bhwc,bhwd->bcd", x, x)),
    (IMAGE, lambda x: ops.average_pool(x, 3, 2, "same") - ops.max_pool(x, (3, 2), 2, "same")),
    (IMAGE, lambda x: ops.max_pool(x, 2)),
    (IMAGE, lambda x: ops.image.resize(x, (3, 4))),
    (IMAGE, lambda x: ops.image.resize(x, (9, 9), interpolation="nearest")),
    (IMAGE, lambda x: ops.stack([x, x**2], axis=1)),
    (IMAGE, lambda x: ops.expand_dims(x[:, 1:, ::2, 0], 1) - 2.0 / (1.0 + ops.square(x[:, :1, ::2, 1]))),
]
REFUSED: list[tuple[tuple[int, ...], Callable[[Any], Any], str]] = [
    *((STEPS, getattr(layers, cell)(3, activation="hard_sigmoid"), f"{cell}.* activation is hard_s") for cell in CELLS),
    (STEPS, layers.LSTM(3, recurrent_activation="hard_sigmoid"), "LSTM.* recurrent_activation is hard_sigmoid"),
    (STEPS, layers.GRU(3, recurrent_activation="hard_silu"), "GRU.* recurrent_activation is hard_silu"),
    (STEPS, layers.LSTM(3, activation=layers.LeakyReLU(0.1)), "LSTM.* activation is an object"),
    (STEPS, layers.Bidirectional(layers.LSTM(3, activation="celu")), "'forward_lstm.* its activation is celu"),
    (STEPS, layers.TimeDistributed(layers.Dense(3, activation="hard_silu")), "'dense.* inside it has an activation"),
    (STEPS, layers.TimeDistributed(layers.RMSNormalization()), "'rms_norm.* no equal of RMSNorm"),
    (STEPS, layers.RNN(layers.LSTMCell(3, activation="hard_silu")), "LSTMCell.* activation is hard_silu"),
    (STEPS, lambda x: layers.LSTM(3)(layers.Masking()(x)), "LSTM.* mask of steps|Masking.* not among the layers"),
    (STEPS, lambda x: layers.Bidirectional(layers.LSTM(4))(x, initial_state=[x[:, 0]] * 4), "called with initial_st"),
    (IDS, lambda x: layers.GRU(3)(layers.Embedding(9, 3, mask_zero=True)(x)), "GRU.* mask of steps"),
    (IDS, lambda x: layers.GlobalAveragePooling1D()(layers.Embedding(9, 3, mask_zero=True)(x)), "Pooling1D.* mask"),
    (VECTOR, layers.Dense(3, lora_rank=2), "Dense.* lora_rank is 2"),
    (VECTOR, layers.Dense(3, activation=layers.PReLU()), "Dense.* activation is a layer .PReLU"),
    (VECTOR, layers.Activation("celu"), "Activation.* no activation 'celu'"),
    (IMAGE, layers.Resizing(3, 3, antialias=True), "Resizing.* antialias is True"),
    (IMAGE, layers.Resizing(3, 3, pad_to_aspect_ratio=True), "Resizing.* pad_to_aspect_ratio is True"),
    (IMAGE, layers.RandomCrop(3, 3), "RandomCrop.* not among the layers"),
    (IMAGE, layers.AutoContrast(), "AutoContrast.* no equal"),
    (IMAGE, layers.RMSNormalization(), "RMSNormalization.* no equal"),
    (IMAGE, layers.SpectralNormalization(layers.Conv2D(2, 3)), "SpectralNormalization.* not among the layers"),
    (IMAGE, lambda x: ops.softmax(x, axis=(1, 2)), "'softmax.* axis is \\(1, 2\\)"),
    (IMAGE, lambda x: ops.max(x, axis=1, initial=3.0), "Max.* initial value"),
    (IMAGE, lambda x: ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect"), "Pad.* mode is 'reflect'"),
    (IMAGE, lambda x: ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=2.0), "Pad.* constant_values"),
    (IMAGE, lambda x: ops.cast(x, "float16"), "Cast"),
    (IMAGE, lambda x: ops.argmax(x), "Argmax.* axis is None"),
    (IMAGE, lambda x: ops.repeat(x, [1, 2, 1, 1], axis=-1), "Repeat.* every element alike"),
    (IMAGE, lambda x: ops.image.resize(x, (3, 3), antialias=True), "Resize.* antialias is True"),
    (IMAGE, lambda x: ops.prod(x, axis=1, dtype="float16"), "Prod.* dtype is float16"),
    (IMAGE, lambda x: ops.average_pool(x, 2, data_format="channels_first"), "data_format is channels_first"),
]


def model_of(shape: tuple[int, ...], call: Callable[[Any], Any]) -> Any:
    """Return a model whose weights are all live: none is at an initial 0 or 1."""
    inputs = keras.Input(shape, dtype="int32" if shape == IDS else "float32")
    model = keras.Model(inputs, call(inputs))
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(variable + generator.uniform(0.1, 0.4, variable.shape))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            for moving in (layer.moving_mean, layer.moving_variance):
                moving.assign(generator.uniform(0.5, 2.0, moving.shape))
    return model


@pytest.mark.parametrize(("shape", "call"), EQUAL)
def test_it_is_equal(shape: tuple[int, ...], call: Callable[[Any], Any]) -> None:
    model = model_of(shape, call)
    translated, _ = translate(model)
    generator = np.random.default_rng(2)
    inputs = generator.integers(0, 9, (3, *shape)) if shape == IDS else generator.normal(0, 2, (3, *shape))
    flatten = load_tensorflow().nest.flatten
    inputs = inputs.astype(model.inputs[0].dtype)
    for expected, found in zip(flatten(model(inputs, training=False)), flatten(translated(inputs)), strict=True):
        # Sums of at most some hundred terms of size one in float32: 2^-20 of the largest.
        tolerance = 2.0**-20 * max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("shape", "call", "told"), REFUSED)
def test_it_is_refused_by_name_and_reason(shape: tuple[int, ...], call: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(UnsupportedModelError, match=told) as caught:
        translate(model_of(shape, call))
    assert caught.value.hint and "Custom" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("kind", [name for name in NOTHING_AT_INFERENCE if name not in ("CutMix", "MixUp")])
def test_augmentation_is_nothing_at_inference(kind: str) -> None:
    layer = getattr(layers, kind)
    needed = {"RandomZoom": {"height_factor": 0.1}, "RandomTranslation": {"height_factor": 0.1, "width_factor": 0.1}}
    factors = ("RandomRotation", "RandomContrast", "RandomBrightness", "RandomHue", "RandomSaturation")
    factors += ("RandomColorDegeneration", "RandomSharpness")
    options = needed.get(kind, {"factor": 0.1} if kind in factors else {"factor": 4} if "Poster" in kind else {})
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, layers.Conv2D(2, 3)(layer(**options, name="augment")(image)))
    translated, notes = translate(model)
    assert [note.layer for note in notes] == ["augment"] and len(translated.layers) == 2


def test_an_option_that_is_not_listed_is_refused() -> None:
    class Conv2D(layers.Conv2D):
        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "groups_of_tomorrow": 3}

    Conv2D.__module__ = layers.Conv2D.__module__
    with pytest.raises(UnsupportedModelError, match="groups_of_tomorrow"):
        translate(model_of(IMAGE, Conv2D(2, 3)))


def test_an_attribute_of_an_operation_that_is_not_listed_is_refused() -> None:
    model = model_of(IMAGE, ops.square)
    model.outputs[0]._keras_history.operation.power_of_tomorrow = 3
    with pytest.raises(UnsupportedModelError, match="power_of_tomorrow"):
        translate(model)


def test_what_a_rule_lists_is_there() -> None:
    """A name that Keras does not have would hide a misspelling."""
    assert not [kind for kind in (*LAYERS, *NOTHING_AT_INFERENCE) if not hasattr(layers, kind)]


def test_a_wrong_translation_is_refused_with_output_and_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    right = LAYERS["LeakyReLU"]
    monkeypatch.setitem(LAYERS, "LeakyReLU", type(right)(without_effect=("negative_slope",)))
    image = keras.Input(IMAGE)
    x = layers.LeakyReLU(0.1, name="leaky")(layers.Conv2D(3, 3, name="first")(image))
    model = keras.Model(image, layers.Conv2D(2, 1, name="last")(x))
    with pytest.raises(UnsupportedModelError, match=r"output 'last'.*Layer 'leaky' \(LeakyReLU\) is where they part"):
        translate(model)


@pytest.mark.parametrize("name", ["my layer: 1", "größe", "_hidden", "x>y", "("])
def test_names_that_keras_2_does_not_take(name: str) -> None:
    inputs = keras.Input(STEPS, name=name)
    inner = keras.Input(STEPS)
    nested = keras.Model(inner, layers.TimeDistributed(layers.Dense(3, name=name), name="d")(inner), name=f"in {name}")
    model = keras.Model(inputs, layers.LSTM(2, name=f"{name}_")(nested(layers.Dense(4, name=f"{name}.")(inputs))))
    translated, _ = translate(model)
    assert len(translated.input_names) == 1 and translated.output_shape == (None, 2)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "bfloat16", "float64"])
def test_other_precisions_become_float32(policy: str) -> None:
    image = keras.Input(IMAGE, dtype=policy if "mixed" not in policy else "float32")
    x = layers.BatchNormalization(dtype=policy)(layers.Conv2D(3, 3, dtype=policy, activation="silu", name="c")(image))
    translated, notes = translate(keras.Model(image, layers.Dense(2, dtype="float32")(x)))
    assert ("c", "made float32") in [(note.layer, note.action) for note in notes]
    assert {tensor.dtype.name for tensor in (*translated.inputs, *translated.outputs, *translated.weights)} == {
        "float32"
    }


def test_quantized_by_keras_is_refused() -> None:
    model = model_of(VECTOR, layers.Dense(3, name="d"))
    model.quantize("int8")
    with pytest.raises(UnsupportedModelError, match=r"'d' \(Dense\).* quantized by Keras \(int8\)"):
        translate(model)


def test_several_inputs_and_outputs_keep_their_order() -> None:
    left, right = keras.Input((3,), name="z"), keras.Input((3,), name="a")
    outputs = {"y": layers.Dense(2)(left), "b": layers.Add()([left, 2.0 * right]), "c": right}
    translated, _ = translate(keras.Model({"z": left, "a": right}, outputs))
    values = {"z": np.ones((1, 3), "float32"), "a": np.full((1, 3), 5, "float32")}
    found = translated([values[name] for name in translated.input_names])
    assert [tuple(each.shape) for each in found] == [(1, 3), (1, 3), (1, 2)]
    assert found[0].numpy().tolist() == [[11.0] * 3] and found[1].numpy().tolist() == [[5.0] * 3]
