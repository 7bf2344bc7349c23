"""What layers of Keras 2 give with another kernel than their own: binary layers are compared by it."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.keras_types import Layer, Tensor
from edgecompress.layers.padding import same_padding

tensorflow: Any = load_tensorflow()
keras: Any = load_tf_keras()


def sign(x: Tensor) -> Tensor:
    """Return +1 where x >= 0, else -1."""
    return tensorflow.where(x >= 0.0, 1.0, -1.0)


def scaled_sign(w: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Return the signs of a kernel, multiplied by its mean magnitude over the axes."""
    return sign(w) * tensorflow.reduce_mean(tensorflow.abs(w), axes, keepdims=True)


def products(layer: Layer, inputs: Tensor, kernel: Tensor, *, pad_value: float = 0.0) -> Tensor:
    """Return the sums of a Dense, Conv2D or DepthwiseConv2D with `kernel`, without bias and activation.

    Where the layer pads by itself, it is by `pad_value`.
    """
    if isinstance(layer, keras.layers.Dense):
        return tensorflow.matmul(inputs, kernel)
    padding = layer.padding
    if padding == "same" and pad_value:
        sides = zip(inputs.shape[1:3], layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
        around = [(0, 0), *(same_padding(*side) for side in sides), (0, 0)]
        inputs, padding = tensorflow.pad(inputs, around, constant_values=pad_value), "valid"
    function = keras.backend.conv2d
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        function = keras.backend.depthwise_conv2d
    return function(
        inputs, kernel, strides=layer.strides, padding=padding, dilation_rate=layer.dilation_rate,
        data_format=layer.data_format,
    )  # fmt: skip


def finished(layer: Layer, outputs: Tensor) -> Tensor:
    """Return outputs with the layer's bias and activation."""
    if layer.use_bias:
        outputs = keras.backend.bias_add(outputs, layer.bias, data_format=getattr(layer, "data_format", None))
    return layer.activation(outputs)
