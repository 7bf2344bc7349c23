"""Binary layers of this package as its earlier versions saved them, of Keras 2; this module loads TensorFlow."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.keras_types import Layer, Tensor
from edgecompress.tfmot.stand_ins.parts import Part, binary_layer, options_of
from edgecompress.tfmot.stand_ins.signed import finished, products, scaled_sign, sign

tensorflow: Any = load_tensorflow()
keras: Any = load_tf_keras()

OPTIONS = ("scaled", "stochastic", "binary_inputs", "input_gradient", "input_scale", "pad_values")


class _StandIn:
    """A binary layer as its file describes it, which computes what it does at inference."""

    kind = ""
    filter_axes = 1  # how many trailing axes of the kernel number its filters

    def __init__(self, **config: Any) -> None:
        self_options = {key: config.pop(key) for key in OPTIONS if key in config}
        super().__init__(**config)
        self.options = self_options

    def call(self, inputs: Tensor) -> Tensor:
        """Compute the products of signs."""
        layer: Layer = self
        kernel = layer.depthwise_kernel if self.kind == "DepthwiseConv2D" else layer.kernel
        axes = tuple(range(len(kernel.shape) - self.filter_axes))
        kernel = scaled_sign(kernel, axes) if self.options.get("scaled") else sign(kernel)
        signs = self.kind != "DepthwiseConv2D" and self.options.get("binary_inputs", True)
        pad_value = self.options.get("pad_values") or 0
        outputs = products(layer, sign(inputs) if signs else inputs, kernel, pad_value=pad_value)
        if self.options.get("input_scale"):
            means = tensorflow.reduce_mean(tensorflow.abs(inputs), -1, keepdims=True)
            if self.kind == "Conv2D":
                height, width = layer.kernel_size
                window = tensorflow.fill((height, width, 1, 1), 1.0 / (height * width))
                means = products(layer, means, window, pad_value=pad_value)
            outputs *= means
        return finished(layer, outputs)

    def parts(self, name: str) -> list[Part]:
        """Return the layer of Keras 3."""
        options = {**options_of(self, name), **self.options}
        return [(binary_layer(self.kind, options), self.get_weights())]  # type: ignore[attr-defined]


class BinaryDense(_StandIn, keras.layers.Dense):
    """Dense of signs."""

    kind = "Dense"


class BinaryConv2D(_StandIn, keras.layers.Conv2D):
    """Conv2D of signs."""

    kind = "Conv2D"


class BinaryDepthwiseConv2D(_StandIn, keras.layers.DepthwiseConv2D):
    """DepthwiseConv2D by signs."""

    kind = "DepthwiseConv2D"
    filter_axes = 2


STAND_INS = {layer.__name__: layer for layer in (BinaryDense, BinaryConv2D, BinaryDepthwiseConv2D)}
