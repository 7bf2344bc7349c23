"""The sign of each input, as a layer of its own before one that takes real inputs."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras
from edgecompress.layers.quantizers import sign_ste

keras: Any = load_keras()


class Sign(keras.layers.Layer):
    """y = sign(x), with the gradient of the straight-through estimator."""

    def call(self, inputs: Any) -> Any:
        """Return -1 where x < 0, else +1."""
        return sign_ste(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the inputs."""
        return input_shape
