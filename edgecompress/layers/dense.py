"""A matrix product of signs."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.layers.latent import BinaryInputs, LatentKernel

tensorflow: Any = load_tensorflow()
keras: Any = load_keras()


class BinaryDense(BinaryInputs, LatentKernel, keras.layers.Dense):
    """Dense with a kernel of signs and, unless `binary_inputs` is false, of the signs of its inputs."""

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Multiply: y = activation(sign(x) sign(w) K + b), K = mean |x| with `input_scale`, else 1."""
        outputs = tensorflow.matmul(self.signs(inputs), self.training_kernel(training))
        if self.input_scale:
            outputs *= tensorflow.reduce_mean(tensorflow.abs(inputs), axis=-1, keepdims=True)
        if self.use_bias:
            outputs = tensorflow.nn.bias_add(outputs, self.bias)
        return self.activation(outputs)
