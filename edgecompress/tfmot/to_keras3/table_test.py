"""Keras 2 layers and functions in its graphs: equal in Keras 3, also read back, or refused by name and reason."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tensorflow, load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.tfmot.to_keras3.layers import IN_KERAS_3, LAYERS, NOTHING_AT_INFERENCE
from edgecompress.tfmot.to_keras3.operations import OPERATIONS
from edgecompress.tfmot.to_keras3.translation import translate

tf = load_tensorflow()
keras2, keras3 = load_tf_keras(), load_keras()
layers, backend = keras2.layers, keras2.backend

IMAGE, STEPS, VECTOR, VOLUME, IDS, CLIP = (6, 6, 4), (5, 4), (7,), (4, 4, 4, 2), (5,), (3, 6, 6, 2)
CELLS = ("LSTM", "GRU", "SimpleRNN")
Case = tuple[tuple[int, ...], Callable[[Any], Any]]


def adapted(layer: Any) -> Any:
    layer.adapt(np.random.default_rng(0).normal(3, 2, (20, *IMAGE)).astype("float32"))
    return layer


def twice(layer: Any) -> Callable[[Any], Any]:
    return lambda x: layer(layer(x))


def merged(layer: Any) -> Callable[[Any], Any]:
    return lambda x: layer([x, x * 2.0 - 1.0])


def stored(function: str) -> Callable[..., Any]:
    """The layer of a function under a name that files of other versions of TensorFlow have for it."""
    kind = type(tf.nn.relu(keras2.Input((1,))).node.layer)
    return lambda *arguments, **options: kind.from_config({"function": function})(*arguments, **options)


LAYER_CASES: list[Case] = [
    *((STEPS, getattr(layers, cell)(3, activation=inside)) for cell in CELLS for inside in ("swish", "relu6")),
    *((STEPS, getattr(layers, cell)(3, return_sequences=True, go_backwards=True)) for cell in CELLS),
    *((STEPS, getattr(layers, cell)(3, return_state=True, dropout=0.3, recurrent_dropout=0.2)) for cell in CELLS),
    (STEPS, layers.LSTM(3, activation=tf.nn.relu, recurrent_activation="softsign", use_bias=False, implementation=1)),
    (STEPS, layers.LSTM(3, unroll=True, unit_forget_bias=False)),
    (STEPS, layers.GRU(3, reset_after=False, implementation=1)),
    (STEPS, layers.RNN(layers.LSTMCell(3, activation="swish"), return_sequences=True)),
    (STEPS, layers.RNN([layers.GRUCell(3), layers.SimpleRNNCell(2, activation="mish")], unroll=True)),
    (STEPS, layers.RNN([layers.GRUCell(3), layers.LSTMCell(2)], return_state=True)),
    (STEPS, lambda x: layers.LSTM(3)(x, initial_state=[layers.Dense(3)(x[:, 0]), layers.Dense(3)(x[:, 1])])),
    (STEPS, lambda x: layers.GRU(4)(x, initial_state=x[:, 0])),
    (STEPS, lambda x: layers.Bidirectional(layers.LSTM(4))(x, initial_state=[x[:, 0], x[:, 1], x[:, 2], x[:, 3]])),
    *(
        (STEPS, layers.Bidirectional(getattr(layers, cell)(3), merge_mode=mode))
        for cell, mode in zip((*CELLS, *CELLS), ("concat", "sum", "ave", "mul", None, "concat"), strict=True)
    ),
    (STEPS, layers.Bidirectional(layers.GRU(3, return_sequences=True, return_state=True))),
    (STEPS, layers.Bidirectional(layers.LSTM(3), backward_layer=layers.GRU(3, go_backwards=True))),
    (STEPS, layers.TimeDistributed(layers.Dense(3, activation="relu6"))),
    (CLIP, layers.TimeDistributed(layers.Conv2D(3, 3, activation="tanh"))),
    (CLIP, layers.TimeDistributed(layers.BatchNormalization())),
    ((5, 6, 2), layers.ConvLSTM1D(2, 3, recurrent_activation="sigmoid", padding="same")),
    (CLIP, layers.ConvLSTM2D(2, 3, recurrent_activation="sigmoid", return_sequences=True, strides=2)),
    ((2, *VOLUME), layers.ConvLSTM3D(2, 2, recurrent_activation="sigmoid", go_backwards=True, return_state=True)),
    (STEPS, lambda x: layers.MultiHeadAttention(2, 3, value_dim=5, dropout=0.1)(x, x, use_causal_mask=True)),
    (STEPS, lambda x: layers.MultiHeadAttention(2, 3, output_shape=6)(query=x, value=x[:, :3], key=x[:, 1:4])),
    (STEPS, lambda x: layers.MultiHeadAttention(2, 3, use_bias=False)(x, x, x, return_attention_scores=True)),
    (IMAGE, lambda x: layers.MultiHeadAttention(2, 3, attention_axes=(2,))(x, x)),
    (STEPS, lambda x: layers.Attention(use_scale=True, dropout=0.1)([x, x], use_causal_mask=True)),
    (STEPS, lambda x: layers.Attention(score_mode="concat")([x, x, 2.0 * x], return_attention_scores=True)),
    (STEPS, merged(layers.AdditiveAttention(use_scale=True))),
    (IDS, layers.Embedding(11, 3, mask_zero=True, input_length=5)),
    (STEPS, layers.Conv1D(3, 3, padding="causal", dilation_rate=2, activation="exponential")),
    (IMAGE, layers.Conv2D(6, 3, strides=2, padding="same", activation="hard_sigmoid")),
    (IMAGE, layers.Conv2D(6, 3, activation=layers.LeakyReLU(0.1), groups=2)),
    (IMAGE, layers.Conv2D(6, 3, activation=layers.Softmax(axis=1))),
    (IMAGE, layers.Conv2D(6, 3, activation=tf.nn.relu6)),
    (VOLUME, layers.Conv3D(2, 3, padding="same", activation="leaky_relu")),
    (STEPS, layers.Conv1DTranspose(3, 3, strides=2, padding="same", output_padding=1)),
    (IMAGE, layers.Conv2DTranspose(3, 3, strides=2, padding="valid", output_padding=1, activation="mish")),
    (IMAGE, layers.Conv2DTranspose(3, 2, padding="same", dilation_rate=2, use_bias=False)),
    (VOLUME, layers.Conv3DTranspose(2, 2, strides=2)),
    (STEPS, layers.DepthwiseConv1D(3, depth_multiplier=2, activation="selu")),
    (IMAGE, layers.DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2, padding="same", activation="log_softmax")),
    (STEPS, layers.SeparableConv1D(3, 3, strides=2, padding="same", depth_multiplier=2)),
    (IMAGE, layers.SeparableConv2D(3, (3, 2), padding="same", depth_multiplier=2, activation="elu")),
    (IMAGE, twice(layers.Conv2D(4, 3, padding="same", activation="hard_sigmoid"))),
    (VECTOR, layers.Dense(3, activation="gelu", use_bias=False)),
    (IMAGE, layers.Dense(3, activation="softplus")),
    (STEPS, layers.EinsumDense("abc,cd->abd", output_shape=(None, 6), bias_axes="d", activation="softsign")),
    *(
        (shape, getattr(layers, f"{kind}Pooling{n}D")(3, strides=2, padding="same"))
        for kind in ("Max", "Average")
        for n, shape in ((1, STEPS), (2, IMAGE), (3, VOLUME))
    ),
    *(
        (shape, getattr(layers, f"Global{kind}Pooling{n}D")(keepdims=keeps))
        for kind in ("Max", "Average")
        for (n, shape), keeps in zip(((1, STEPS), (2, IMAGE), (3, VOLUME)), (True, False, True), strict=True)
    ),
    (IMAGE, layers.GlobalAveragePooling2D(data_format="channels_first")),
    (IMAGE, layers.BatchNormalization(axis=[1], epsilon=0.1, scale=False)),
    (IMAGE, layers.BatchNormalization(momentum=0.5, center=False)),
    (IMAGE, layers.LayerNormalization(axis=[2, 3], epsilon=0.1)),
    (IMAGE, layers.LayerNormalization(center=False, scale=False)),
    (IMAGE, layers.GroupNormalization(2, epsilon=0.1, scale=False)),
    (IMAGE, layers.UnitNormalization(axis=(1, 2))),
    *((IMAGE, lambda x, axis=axis: adapted(layers.Normalization(axis=axis))(x)) for axis in (-1, None, (1, 2))),
    (IMAGE, layers.Normalization(mean=2.0, variance=3.0, invert=True)),
    (IMAGE, layers.Normalization(mean=[2.0, 1.0, 0.0, 4.0], variance=[3.0, 1.0, 2.0, 0.5])),
    (IMAGE, layers.Rescaling([0.1, 0.2, 0.3, 0.4], offset=-1.0)),
    (IMAGE, layers.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.2)),
    (IMAGE, layers.ThresholdedReLU(0.5)),
    (IMAGE, layers.LeakyReLU(0.4)),
    (IMAGE, layers.PReLU("random_normal", shared_axes=[1, 2])),
    (IMAGE, layers.ELU(0.3)),
    (IMAGE, layers.Softmax(axis=1)),
    (IMAGE, layers.Softmax(axis=[1, 2])),
    *((IMAGE, layers.Activation(name)) for name in ("swish", "hard_sigmoid", "relu6", "sigmoid", "gelu", "softmax")),
    (IMAGE, layers.Activation(layers.LeakyReLU(0.2))),
    (IMAGE, layers.Flatten(data_format="channels_first")),
    (IMAGE, layers.Reshape((-1, 8))),
    (IMAGE, layers.Permute((3, 1, 2))),
    (VECTOR, layers.RepeatVector(3)),
    (STEPS, layers.ZeroPadding1D((1, 2))),
    (IMAGE, layers.ZeroPadding2D(((1, 2), (0, 3)), data_format="channels_first")),
    (VOLUME, layers.ZeroPadding3D((1, 2, 1))),
    (STEPS, layers.Cropping1D((1, 2))),
    (IMAGE, layers.Cropping2D(((1, 2), (0, 3)))),
    (VOLUME, layers.Cropping3D(((1, 0), (0, 1), (1, 1)))),
    (STEPS, layers.UpSampling1D(2)),
    (IMAGE, layers.UpSampling2D((2, 3), data_format="channels_first")),
    *((IMAGE, layers.UpSampling2D(2, interpolation=name)) for name in ("bilinear", "nearest", "bicubic")),
    (VOLUME, layers.UpSampling3D((1, 2, 2))),
    (IMAGE, layers.CenterCrop(4, 3)),
    (IMAGE, layers.Resizing(3, 4)),
    (IMAGE, layers.Resizing(9, 9, interpolation="nearest")),
    ((6, 8, 3), layers.Resizing(5, 5, crop_to_aspect_ratio=True)),
    *((IMAGE, merged(getattr(layers, kind)())) for kind in ("Add", "Subtract", "Multiply", "Average")),
    *((IMAGE, merged(getattr(layers, kind)())) for kind in ("Maximum", "Minimum")),
    (IMAGE, merged(layers.Concatenate(axis=2))),
    (STEPS, merged(layers.Dot(axes=(1, 1), normalize=True))),
    (IMAGE, layers.Discretization([-1.0, 0.5, 2.0])),
    (IMAGE, lambda x: adapted(layers.Discretization(num_bins=4, epsilon=0.1))(x)),
    (IDS, layers.CategoryEncoding(9, output_mode="multi_hot")),
    (IDS, layers.CategoryEncoding(9, output_mode="count")),
    (IDS, layers.Hashing(5, mask_value=3)),
    (IDS, layers.Hashing(5, salt=[2, 7])),
    *((IMAGE, getattr(layers, kind)(0.3)) for kind in ("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise")),
    (IMAGE, lambda x: layers.Dropout(0.3, noise_shape=(None, 1, 1, 4), seed=3)(x, training=False)),
    *((shape, getattr(layers, f"SpatialDropout{n}D")(0.3)) for n, shape in ((1, STEPS), (2, IMAGE), (3, VOLUME))),
    (IMAGE, layers.ActivityRegularization(0.1, 0.2)),
    (IMAGE, layers.Identity()),
]
OPERATION_CASES: list[Case] = [
    *((IMAGE, getattr(tf, name)) for name in ("abs", "exp", "square", "sign", "floor", "round", "sin", "cos", "tan")),
    *((IMAGE, getattr(tf, name)) for name in ("sinh", "cosh", "tanh", "sigmoid", "negative", "identity", "atan")),
    *((IMAGE, getattr(tf.math, name)) for name in ("ceil", "erf", "expm1", "softplus", "log_sigmoid", "asinh")),
    *((IMAGE, getattr(tf.nn, name)) for name in ("relu", "relu6", "elu", "selu", "softsign", "silu", "swish", "gelu")),
    *((IMAGE, lambda x, name=name: getattr(tf, name)(tf.tanh(x) * 0.9)) for name in ("asin", "acos", "atanh")),
    *(
        (IMAGE, lambda x, name=name: getattr(tf.math, name)(1.5 + x * x))
        for name in ("log", "log1p", "sqrt", "rsqrt", "reciprocal", "acosh")
    ),
    (IMAGE, lambda x: 1 - 2.0 / (1.5 + x * x) + abs(-x) - 3 * x / 2),
    (IMAGE, lambda x: x + np.arange(4.0)),
    (IMAGE, lambda x: tf.constant([1.0, 2.0, 3.0, 4.0]) * x),
    (IMAGE, lambda x: (x**2, 2.0**x, tf.pow(tf.abs(x), 0.5))),
    (IMAGE, lambda x: (x // 2, x % 2, tf.math.floormod(x, -1.5), tf.math.divide_no_nan(x, tf.floor(x)))),
    (IMAGE, lambda x: (tf.add(x, 1.0), tf.subtract(2.0, x), tf.multiply(x, 3.0), tf.divide(x, 4.0))),
    (IMAGE, lambda x: (tf.maximum(x, 0.0), tf.minimum(x, 2 * x), tf.math.squared_difference(x, 2.0))),
    (IMAGE, lambda x: (x > 0, x >= 0, x < 0.5, x <= 0.5, x == 0, x != 0, tf.equal(x, 0.0), tf.not_equal(x, 1.0))),
    (IMAGE, lambda x: ((x > 0) & (x < 1), (x < 0) | (x > 1), ~(x > 0), (x > 0) ^ (x > 1))),
    (IMAGE, lambda x: (tf.greater(x, 0.0), tf.less_equal(x, x * 2), tf.math.is_nan(x), tf.math.is_finite(x))),
    (IMAGE, lambda x: (tf.math.is_inf(x), tf.ones_like(x), tf.zeros_like(x), tf.stop_gradient(x))),
    (IMAGE, lambda x: tf.math.atan2(x, x + 1.0)),
    (IMAGE, lambda x: (x[:, 0], x[..., ::-1], x[:, tf.newaxis, 1:3], x[:, -1, :, 2:], x[0:1, ::2])),
    (IMAGE, lambda x: (tf.nn.leaky_relu(x), tf.nn.leaky_relu(x, 0.3), tf.nn.gelu(x, approximate=True))),
    (IMAGE, lambda x: (tf.nn.softmax(x), tf.nn.softmax(x, axis=1), tf.nn.log_softmax(x, 2))),
    (IMAGE, lambda x: (tf.nn.bias_add(x, [1.0, 2.0, 3.0, 4.0]), tf.math.add_n([x, x, x]))),
    (IMAGE, lambda x: (tf.clip_by_value(x, -1.0, 0.5), backend.clip(x, 0, 1), backend.hard_sigmoid(x))),
    *(
        (IMAGE, lambda x, reduce=reduce: (reduce(x), reduce(x, 1), reduce(x, axis=[1, 2], keepdims=True)))
        for reduce in (tf.reduce_mean, tf.reduce_sum, tf.reduce_max, tf.reduce_min, tf.math.reduce_std)
    ),
    (IMAGE, lambda x: (tf.math.reduce_variance(x, 1), tf.reduce_logsumexp(x, -1), tf.reduce_prod(x, 1))),
    (IMAGE, lambda x: (tf.reduce_all(x > -1, 1), tf.reduce_any(x > 1, axis=[1, 2]))),
    (IMAGE, lambda x: (tf.norm(x, axis=1), tf.math.reduce_euclidean_norm(x, [1, 2]), tf.nn.l2_normalize(x, -1))),
    (IMAGE, lambda x: (tf.cumsum(x, 1), *tf.nn.moments(x, [1, 2]))),
    (IMAGE, lambda x: (tf.argmax(x, -1), tf.argmin(x, 1), tf.math.argmax(x, 1, output_type=tf.int32))),
    (IMAGE, lambda x: (tf.cast(x, tf.int32), tf.cast(x, "int64"), tf.cast(x > 0, "float32"))),
    (IMAGE, lambda x: (tf.reshape(x, (-1, 36, 4)), backend.reshape(x, (-1, 4)), backend.batch_flatten(x))),
    (IMAGE, lambda x: (tf.transpose(x, (0, 3, 1, 2)), tf.linalg.matrix_transpose(x), tf.transpose(x))),
    (IMAGE, lambda x: (tf.expand_dims(x, 1), tf.squeeze(x[:, :1], 1), tf.squeeze(x[:, :1, :1], axis=[1, 2]))),
    (IMAGE, lambda x: (tf.concat([x, -x], 2), tf.concat([x, tf.zeros((1, 6, 6, 4))], 0), tf.stack([x, x], 1))),
    (IMAGE, lambda x: (*tf.unstack(x, axis=1), *tf.split(x, 2, axis=-1), *tf.split(x, [1, 3, 2], 2))),
    (IMAGE, lambda x: (tf.tile(x, [1, 2, 1, 3]), tf.broadcast_to(x[:1], (3, 6, 6, 4)), tf.repeat(x, 2, axis=-2))),
    (IMAGE, lambda x: (tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]), backend.spatial_2d_padding(x))),
    (IMAGE, lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], mode="REFLECT")),
    (IMAGE, lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], "SYMMETRIC")),
    (IMAGE, lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]], constant_values=2.5)),
    (IMAGE, lambda x: (tf.where(x > 0, x, 0.1 * x), tf.where(x > 0, 1.0, x), tf.where(x > 0, 1.0, 0.0))),
    (IMAGE, lambda x: (tf.matmul(x, x, transpose_b=True), tf.matmul(x, x, transpose_a=True))),
    (VECTOR, lambda x: x @ np.arange(14, dtype="float32").reshape(7, 2)),
    (IMAGE, lambda x: (tf.einsum("bhwc,bhwd->bcd", x, x), tf.tensordot(x, np.eye(4, dtype="float32"), 1))),
    (IMAGE, lambda x: (tf.gather(x, [0, 2], axis=1), tf.gather(x, 1, axis=-1), tf.roll(x, 1, 2))),
    (IDS, lambda x: (tf.one_hot(x, 9), tf.one_hot(x, 4, axis=1), x + 1, x * x, x // 2, x % 3, -x)),
    (IMAGE, lambda x: (tf.slice(x, [0, 1, 0, 2], [-1, 2, -1, 1]), tf.reverse(x, [1, 2]))),
    (IMAGE, lambda x: (tf.image.resize(x, (3, 4)), tf.image.resize(x, (9, 9), method="nearest"))),
    (IMAGE, lambda x: tf.image.resize(x, [4, 3], tf.image.ResizeMethod.BICUBIC, antialias=True)),
    (IMAGE, lambda x: (tf.nn.avg_pool2d(x, 3, 2, "SAME"), tf.nn.max_pool2d(x, [3, 2], [1, 2], "VALID"))),
    (IMAGE, lambda x: (tf.nn.avg_pool(x, 2, 2, "VALID"), tf.nn.max_pool(x, 2, 1, "SAME"), backend.pool2d(x, (2, 2)))),
    (IMAGE, lambda x: (tf.nn.depth_to_space(x, 2), tf.nn.space_to_depth(x, 2))),
    (IMAGE, lambda x: (backend.pool2d(x, (2, 2), (2, 2), pool_mode="avg"), stored("nn.max_pool")(x, 2, 2, "SAME"))),
    (IMAGE, lambda x: (stored("math.divide")(x, 3.0), stored("math.floordiv")(x, 3.0), stored("squeeze")(x[:, :1], 1))),
    (IMAGE, lambda x: (stored("transpose")(x, [0, 2, 3, 1]), stored("gather")(x, [0, 2], axis=1, batch_dims=0))),
    (IMAGE, lambda x: stored("pad")(x, [[0, 0], [1, 2], [0, 1], [0, 0]], mode="REFLECT")),
]
CASES = [*LAYER_CASES, *OPERATION_CASES]
REFUSED: list[tuple[tuple[int, ...], Callable[[Any], Any], str]] = [
    *((STEPS, getattr(layers, cell)(3, activation="hard_sigmoid"), f"{cell}.* activation is hard_s") for cell in CELLS),
    (STEPS, layers.LSTM(3, recurrent_activation="hard_sigmoid"), "LSTM.* recurrent_activation is hard_sigmoid"),
    (CLIP, layers.ConvLSTM2D(2, 3), "ConvLSTM2D.* recurrent_activation is hard_sigmoid"),
    (STEPS, layers.LSTM(3, activation=layers.LeakyReLU(0.1)), "LSTM.* activation is of its own"),
    (STEPS, layers.GRU(3, time_major=True), "GRU.* time_major is True"),
    (STEPS, layers.TimeDistributed(layers.Dense(3, activation="hard_sigmoid")), "'dense.* inside it has an activation"),
    (STEPS, layers.TimeDistributed(layers.Lambda(tf.sin)), "'lambda.* not among the layers"),
    (STEPS, layers.RNN(layers.LSTMCell(3, activation="hard_sigmoid")), "LSTMCell.* activation is hard_sigmoid"),
    (STEPS, lambda x: layers.LSTM(3)(layers.Masking()(x)), "LSTM.* mask of steps|Masking.* not among the layers"),
    (IDS, lambda x: layers.GRU(3)(layers.Embedding(9, 3, mask_zero=True)(x)), "GRU.* mask of steps"),
    (IDS, lambda x: layers.GlobalAveragePooling1D()(layers.Embedding(9, 3, mask_zero=True)(x)), "Pooling1D.* mask"),
    (STEPS, lambda x: layers.LSTM(3)(x, mask=x[..., 0] > 0), "LSTM.* mask of steps"),
    (STEPS, lambda x: layers.GlobalAveragePooling1D()(x, x[..., 0] > 0), "Pooling1D.* with mask"),
    (STEPS, lambda x: layers.MultiHeadAttention(2, 3)(x, x, attention_mask=x[:, :, :1] > 0), "with attention_mask"),
    (IMAGE, lambda x: layers.Dropout(0.5)(x, training=True), "Dropout.* training=True"),
    (IMAGE, lambda x: layers.BatchNormalization()(x, True), "BatchNorm.* training=True"),
    (IMAGE, layers.Lambda(lambda x: x + 1), "Lambda.* not among the layers"),
    (IMAGE, layers.LocallyConnected2D(2, 3), "no equal of LocallyConnected2D"),
    (IMAGE, layers.RandomCrop(3, 3), "RandomCrop.* not among the layers"),
    (IMAGE, layers.BatchNormalization(axis=[1, 2]), "BatchNormalization.* several axes"),
    (IMAGE, layers.Resizing(3, 4, interpolation="area"), "Resizing.* interpolation is 'area'"),
    (IMAGE, layers.UpSampling2D(2, interpolation="gaussian"), "UpSampling2D.* is 'gaussian'"),
    (IMAGE, layers.Conv2D(2, 3, activation=tf.sin), "Conv2D.* activation is a function of its own"),
    (IMAGE, layers.Conv2D(2, 3, activation=layers.PReLU()), "Conv2D.* activation is a layer .PReLU"),
    (IMAGE, lambda x: tf.reshape(x, (tf.shape(x)[0], -1)), "compat.v1.shape.* not among those"),
    (IMAGE, lambda x: tf.cast(x, "float16"), "'tf.cast.* casts to float16"),
    (IMAGE, lambda x: tf.clip_by_value(x, -x, x), "clip_by_value.* clip_value_min is computed"),
    (IMAGE, lambda x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=x[0, 0, 0, 0]), "is computed"),
    (IMAGE, lambda x: tf.repeat(x, [1, 2, 1, 1], axis=-1), "repeat.* every element alike"),
    (IMAGE, lambda x: tf.image.resize(x, (3, 3), method="area"), "resize.* method is area"),
    (IMAGE, lambda x: tf.image.resize(x, (3, 3), preserve_aspect_ratio=True), "preserve_aspect_ratio is True"),
    (IMAGE, lambda x: tf.cumsum(x, 1, exclusive=True), "cumsum.* exclusive is True"),
    (IMAGE, lambda x: tf.nn.silu(x, beta=2.0), "silu.* beta is 2.0"),
    (IMAGE, lambda x: tf.math.lgamma(x), "lgamma.* not among those"),
    (IMAGE, lambda x: tf.one_hot(tf.cast(x, "int32"), 3, on_value=2.0, off_value=1.0), "argument on_value"),
    (IMAGE, lambda x: tf.nn.avg_pool2d(x, 2, 2, "SAME", data_format="NCHW"), "channels last"),
    (IMAGE, lambda x: tf.squeeze(x[:1, :1]), "squeeze"),
]


def model_of(shape: tuple[int, ...], call: Callable[[Any], Any]) -> Any:
    """Return a model whose weights are all live: none is at an initial 0 or 1."""
    inputs = keras2.Input(shape, dtype="int32" if shape == IDS else "float32")
    model = keras2.Model(inputs, call(inputs))
    generator = np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(variable + generator.uniform(0.1, 0.4, variable.shape))
    for layer in model._flatten_layers():
        if isinstance(layer, layers.BatchNormalization):
            for moving in (layer.moving_mean, layer.moving_variance):
                moving.assign(generator.uniform(0.5, 2.0, moving.shape))
    return model


def require_equal(model: Any, translated: Any, shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(2)
    inputs = generator.integers(0, 9, (3, *shape)) if shape == IDS else generator.normal(0, 2, (3, *shape))
    inputs = inputs.astype(model.inputs[0].dtype.name)
    flatten = tf.nest.flatten
    for expected, found in zip(flatten(model(inputs, training=False)), flatten(translated(inputs)), strict=True):
        assert expected.dtype == found.dtype
        expected, found = (np.asarray(each, "float64") for each in (expected, found))
        # Sums of at most some hundred terms of size one in float32: 2^-20 of the largest.
        np.testing.assert_allclose(found, expected, rtol=0, atol=2.0**-20 * max(1.0, float(np.abs(expected).max())))


@cache
def case(index: int) -> tuple[Any, tuple[int, ...]]:
    return model_of(*CASES[index]), CASES[index][0]


@pytest.mark.parametrize("index", range(len(CASES)))
def test_it_is_equal_also_read_back(index: int, tmp_path: Path) -> None:
    model, shape = case(index)
    translated, _ = translate(model)
    expected, found = ({layer.name for layer in each.layers if layer.weights} for each in (model, translated))
    assert expected - {layer.name for layer in model.layers if hasattr(layer, "bin_boundaries")} == found
    if any(isinstance(layer, keras2.layers.Layer) and hasattr(layer, "symbol") for layer in model.layers):
        assert translated.output_names == [tensor.node.layer.name for tensor in tf.nest.flatten(model.outputs)]
    translated.save(tmp_path / "model.keras")
    require_equal(model, keras3.models.load_model(tmp_path / "model.keras", safe_mode=True), shape)


def test_every_kind_and_every_function_is_among_the_cases() -> None:
    parts = [part for index in range(len(CASES)) for part in case(index)[0]._flatten_layers()]
    assert sorted({*LAYERS} - {type(part).__name__ for part in parts}) == []
    assert sorted({*OPERATIONS} - {getattr(part, "symbol", None) for part in parts}) == []


def test_what_a_rule_lists_is_there() -> None:
    """A name that TensorFlow or Keras does not have would hide a misspelling."""
    kinds = (*LAYERS, *NOTHING_AT_INFERENCE)
    assert not [kind for kind in kinds if not hasattr(layers, kind)]
    assert not [kind for kind in LAYERS if not hasattr(keras3.layers, IN_KERAS_3.get(kind, kind))]
    for index in range(len(CASES)):
        for layer in case(index)[0].layers:
            if (rule := OPERATIONS.get(getattr(layer, "symbol", None))) and layer.symbol != "einsum":
                known = [*inspect.signature(layer.function).parameters][1:]
                assert {*[*inspect.signature(rule.apply).parameters][1:], *rule.only} <= {*known}, layer.symbol


@pytest.mark.parametrize(("shape", "call", "told"), REFUSED)
def test_it_is_refused_by_name_and_reason(shape: tuple[int, ...], call: Callable[[Any], Any], told: str) -> None:
    with pytest.raises(UnsupportedModelError, match=told) as caught:
        translate(model_of(shape, call))
    assert caught.value.hint and len(str(caught.value)) < 500
