"""Writing a separable convolution as the two convolutions that it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecompress.environment import load_tf_keras
from edgecompress.keras_bridge.graph import replay


def split_separable(model: Any) -> Any:
    """Return `model` with each SeparableConv2D `x` replaced by `x_depthwise` and `x_pointwise`, with its weights.

    The tensor between the two then has a name and a range of its own, which int8 inference needs.
    """
    layers = load_tf_keras().layers
    pairs: list[tuple[Any, Any, Any]] = []

    def substitute(layer: Any, prefix: str) -> Callable[[Any], Any]:
        if not isinstance(layer, layers.SeparableConv2D):
            return layer
        depthwise = layers.DepthwiseConv2D(
            layer.kernel_size,
            strides=layer.strides,
            padding=layer.padding,
            depth_multiplier=layer.depth_multiplier,
            dilation_rate=layer.dilation_rate,
            use_bias=False,
            name=f"{layer.name}_depthwise",
        )
        pointwise = layers.Conv2D(
            layer.filters, 1, activation=layer.activation, use_bias=layer.use_bias, name=f"{layer.name}_pointwise"
        )
        pairs.append((layer, depthwise, pointwise))
        return lambda tensor: pointwise(depthwise(tensor))

    split = replay(model, substitute)
    for layer, depthwise, pointwise in pairs:
        weights = layer.get_weights()
        depthwise.set_weights(weights[:1])
        pointwise.set_weights(weights[1:])
    return split
