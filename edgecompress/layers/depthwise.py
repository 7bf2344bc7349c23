"""A depthwise convolution by signs."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras
from edgecompress.layers.latent import LatentKernel

keras: Any = load_keras()


class BinaryDepthwiseConv2D(LatentKernel, keras.layers.DepthwiseConv2D):
    """DepthwiseConv2D with a kernel of signs; its inputs stay real.

    A filter sees one channel, so that there are no bits side by side which could be packed into words.
    """

    constraint_name = "depthwise_constraint"
    filter_axes = 2

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Convolve channel by channel: y = activation(depthwise(x, sign(w)) + b)."""
        outputs = keras.ops.depthwise_conv(
            inputs,
            self.training_kernel(training),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
            data_format=self.data_format,
        )
        if self.use_bias:
            shape = (1, 1, 1, -1) if self.data_format == "channels_last" else (1, -1, 1, 1)
            outputs = outputs + keras.ops.reshape(self.bias, shape)
        return self.activation(outputs)
