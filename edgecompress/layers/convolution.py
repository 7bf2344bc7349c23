"""A convolution of signs."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.errors import MethodError
from edgecompress.layers.latent import BinaryInputs, LatentKernel
from edgecompress.layers.padding import same_padding

tensorflow: Any = load_tensorflow()
keras: Any = load_keras()


class BinaryConv2D(BinaryInputs, LatentKernel, keras.layers.Conv2D):
    """Conv2D with a kernel of signs and, unless `binary_inputs` is false, of the signs of its inputs.

    `pad_values` is what surrounds the map where padding is "same". It is 1 by default for binary inputs, since a bit
    cannot be zero, and 0 for real ones.
    """

    def __init__(self, *args: Any, pad_values: int | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.data_format != "channels_last" or pad_values not in (None, 0, 1):
            raise MethodError(
                f"The binary layer '{self.name}' got data_format '{self.data_format}' and pad_values {pad_values}.",
                hint="Channels come last, and the padding is by 0 or 1.",
            )
        self.pad_values = int(self.binary_inputs and self.padding == "same") if pad_values is None else pad_values

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of Conv2D and the options."""
        return {**super().get_config(), "pad_values": self.pad_values}

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Convolve: y = activation(conv(sign(x), sign(w)) * K + b), K = 1 without `input_scale`."""
        outputs = self._convolve(self.signs(inputs), self.training_kernel(training))
        if self.input_scale:
            outputs *= self._input_magnitudes(inputs)
        if self.use_bias:
            outputs = tensorflow.nn.bias_add(outputs, self.bias)
        return self.activation(outputs)

    def _input_magnitudes(self, inputs: Any) -> Any:
        """XNOR-Net's K: the mean over channels of |x|, averaged over the window of each output."""
        means = tensorflow.reduce_mean(tensorflow.abs(inputs), axis=-1, keepdims=True)
        height, width = self.kernel_size
        return self._convolve(means, tensorflow.fill((height, width, 1, 1), 1.0 / (height * width)))

    def _convolve(self, inputs: Any, kernel: Any) -> Any:
        padding = self.padding.upper()
        if padding == "SAME" and self.pad_values:
            inputs = tensorflow.pad(inputs, self._paddings(inputs), constant_values=float(self.pad_values))
            padding = "VALID"
        return tensorflow.nn.convolution(
            inputs, kernel, strides=self.strides, padding=padding, dilations=self.dilation_rate
        )

    def _paddings(self, inputs: Any) -> list[tuple[int, int]]:
        sides = zip(inputs.shape[1:3], self.kernel_size, self.strides, self.dilation_rate, strict=True)
        return [(0, 0), *(same_padding(*side) for side in sides), (0, 0)]
