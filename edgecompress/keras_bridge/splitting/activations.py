"""Writing a layer with an activation function as the two layers that it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.graph import give_weights, replay
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_types import Layer, Model
from edgecompress.layers.rounding.split_activation import SplitActivation


def split_activations(model: Model) -> Model:
    """Return `model` with each layer `x` that has a kernel and an activation replaced by `x` and `x_activation`.

    What the first of the two computes then has a name and a range of its own, which int8 inference needs.
    """
    taken = {layer.name for layer in model.layers}
    pairs: dict[str, tuple[Layer, Layer]] = {}

    def substitute(layer: Layer, prefix: str) -> Callable[[Any], Any]:
        function = getattr(layer, "activation", None)
        if not kernels(layer) or function is None or function is load_keras().activations.linear:
            return layer
        if layer.name not in pairs:
            name = f"{layer.name}_activation"
            while name in taken:
                name += "_"
            taken.add(name)
            linear = type(layer).from_config({**layer.get_config(), "activation": "linear"})
            linear.trainable = layer.trainable
            pairs[layer.name] = linear, SplitActivation(function, of=layer.name, name=name)
        linear, activation = pairs[layer.name]
        return lambda *inputs, **options: activation(linear(*inputs, **options))

    split = replay(model, substitute)
    for name, (linear, _) in pairs.items():
        give_weights(linear, model.get_layer(name).get_weights())
    return split
