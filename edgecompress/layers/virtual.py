"""A layer that computes with weights which are decoded from others."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from edgecompress.environment import load_keras
from edgecompress.keras_types import Layer, Model
from edgecompress.layers.decoders import Decoder, Theta

keras: Any = load_keras()


class VirtualLayer(keras.layers.Layer):
    """Computes what the built `layer` does, with `decode(theta)` in the place of each weight that has a decoder.

    What is trained is theta, and the layer's other weights, such as its bias. The weights that are replaced stay where
    they are, neither read nor trained: `replaced` has them, for who keeps checkpoints.
    """

    def __init__(self, layer: Layer, decoders: dict[str, Decoder]) -> None:
        super().__init__(name=layer.name, trainable=layer.trainable)
        self.layer = layer
        self.supports_masking = layer.supports_masking
        self._decoders = decoders
        self._takes_training = "training" in inspect.signature(layer.call).parameters
        self._theta = {
            name: {
                key: self.add_weight(
                    name=f"{name}_{key}", shape=start.shape, initializer=keras.initializers.Constant(start)
                )
                for key, start in decoder.start().items()
            }
            for name, decoder in decoders.items()
        }
        self.replaced = tuple(getattr(layer, name) for name in decoders)
        self._regularizers = [variable.regularizer for variable in self.replaced]
        for variable in self.replaced:
            variable.trainable, variable.regularizer = False, None

    def build(self, input_shape: Any) -> None:
        """Nothing is to be made: the layer is built."""

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Return the mask that the layer makes or passes on."""
        return self.layer.compute_mask(inputs, previous_mask)

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Call the layer with decoded weights; it is found among its variables by identity, trained or not."""
        decoded = [decoder.tensor(self._theta[name]) for name, decoder in self._decoders.items()]
        for regularizer, weight in zip(self._regularizers, decoded, strict=True):
            if regularizer is not None:
                self.add_loss(regularizer(weight))
        values = {id(variable): weight for variable, weight in zip(self.replaced, decoded, strict=True)}
        trained, others = self.layer.trainable_variables, self.layer.non_trainable_variables
        outputs, changed = self.layer.stateless_call(
            [values.get(id(each), each.value) for each in trained],
            [values.get(id(each), each.value) for each in others],
            inputs,
            **({"training": training} if self._takes_training else {}),
        )
        for variable, value in zip(others, changed, strict=True):
            if id(variable) not in values:
                variable.assign(value)
        return outputs

    def weights_with(self, decode: Callable[[Decoder, Theta], np.ndarray]) -> list[np.ndarray]:
        """Return the layer's weights in its order, with what `decode` makes in the place of those that are replaced."""
        values = {id(weight): np.asarray(weight) for weight in self.layer.weights}
        for weight, (name, decoder) in zip(self.replaced, self._decoders.items(), strict=True):
            values[id(weight)] = decode(decoder, {key: np.asarray(each) for key, each in self._theta[name].items()})
        return [values[id(weight)] for weight in self.layer.weights]

    def decoded(self, name: str) -> np.ndarray:
        """Return the weight `name` of the layer as it is now, by NumPy."""
        return self._decoders[name].array({key: np.asarray(each) for key, each in self._theta[name].items()})

    def plain(self) -> Any:
        """Return a layer like the wrapped one, which is not built yet."""
        return type(self.layer).from_config(self.layer.get_config())

    def copy_to(self, plain: Model) -> None:
        """Assign the decoded weights, and the rest of the wrapped layer's, to a layer like it."""
        plain.set_weights(self.layer.get_weights())
        for name in self._decoders:
            getattr(plain, name).assign(self.decoded(name))
