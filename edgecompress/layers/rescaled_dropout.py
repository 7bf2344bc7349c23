"""A dropout whose rate can change while a compiled model is trained."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras, load_tensorflow

tensorflow: Any = load_tensorflow()
keras: Any = load_keras()

DIGITS = 6  # of a rate that is read back: what float32 adds beyond is no part of it


class RescaledDropout(keras.layers.Dropout):
    """Keras's dropout with its rate in a variable, which is saved and restored with the weights."""

    def build(self, input_shape: Any) -> None:
        """Make the rate a variable."""
        super().build(input_shape)
        self.rescaled = self.add_weight(
            name="rate", shape=(), initializer=keras.initializers.Constant(self.rate), trainable=False
        )

    def call(self, inputs: Any, training: Any = False) -> Any:
        """Drop at the rate of this moment."""
        if not training:
            return inputs
        rate = tensorflow.convert_to_tensor(self.rescaled)
        shape = keras.ops.shape(inputs) if self.noise_shape is None else self.noise_shape
        stays = keras.random.uniform(shape, dtype=inputs.dtype, seed=self.seed_generator) >= rate
        return tensorflow.where(stays, inputs / (1.0 - rate), 0.0)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of a plain dropout with the rate of this moment."""
        return {**super().get_config(), "rate": round(float(self.rescaled), DIGITS)}
