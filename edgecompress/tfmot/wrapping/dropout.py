"""Dropout of Keras 2 that a resumed training goes on with; this module loads TensorFlow."""

from __future__ import annotations

import random
from typing import Any

from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.keras_types import Model
from edgecompress.tfmot.graph import replay

tensorflow: Any = load_tensorflow()
keras: Any = load_tf_keras()


class CountedDropout(keras.layers.Dropout):
    """Keras's dropout with the state of its random numbers in a weight, as Keras 3 has it: a seed, and a count."""

    def build(self, input_shape: Any) -> None:
        """Make the weight."""
        super().build(input_shape)
        start = keras.initializers.Constant([random.randrange(1 << 31), 0])
        self.state = self.add_weight("state", (2,), tensorflow.int64, start, trainable=False)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Drop, and count."""
        if not training:
            return inputs
        shape = self._get_noise_shape(inputs)
        drawn = tensorflow.random.stateless_uniform(
            tensorflow.shape(inputs) if shape is None else shape, tensorflow.identity(self.state), dtype=inputs.dtype
        )
        self.state.assign_add([0, 1])
        return tensorflow.where(drawn >= self.rate, inputs / (1.0 - self.rate), 0.0)


def with_counted_dropout(model: Model) -> Model:
    """Return the model, on the same layers, with dropouts whose states are weights in the place of Keras's."""
    kind = keras.layers.Dropout
    if not any(type(layer) is kind for layer in model.layers):
        return model
    counted = {
        layer.name: CountedDropout.from_config(layer.get_config()) for layer in model.layers if type(layer) is kind
    }
    return replay(model, lambda layer, prefix: counted.get(layer.name, layer))


def with_plain_dropout(model: Model) -> Model:
    """Return the model, on the same layers, with Keras's dropouts again."""
    if not any(isinstance(layer, CountedDropout) for layer in model.layers):
        return model
    plain = {
        layer.name: keras.layers.Dropout.from_config(layer.get_config())
        for layer in model.layers
        if isinstance(layer, CountedDropout)
    }
    return replay(model, lambda layer, prefix: plain.get(layer.name, layer))
