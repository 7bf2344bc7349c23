"""A dropout whose rate can change while a compiled model is trained."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_tf_keras

keras: Any = load_tf_keras()

DIGITS = 6  # of a rate that is read back: what float32 adds beyond is no part of it


class RescaledDropout(keras.layers.Dropout):
    """Keras's dropout with its rate in a variable, which is saved and restored with the weights."""

    def build(self, input_shape: Any) -> None:
        """Make the rate a variable."""
        super().build(input_shape)
        self.rate: Any = self.add_weight(
            name="rate", shape=(), initializer=keras.initializers.Constant(self.rate), trainable=False
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of a plain dropout with the rate of this moment."""
        return {**super().get_config(), "rate": round(float(self.rate), DIGITS)}
