"""Writing a separable convolution as the two convolutions that it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.graph import replay
from edgecompress.keras_types import Layer, Model

TRAINING = ("initializer", "regularizer", "constraint")
WINDOW = ("kernel_size", "strides", "padding", "dilation_rate", "depth_multiplier")
DEPTHWISE = tuple(f"depthwise_{what}" for what in TRAINING)
POINTWISE = (
    "filters", "activation", "use_bias", "activity_regularizer", "bias_initializer", "bias_regularizer",
    "bias_constraint",
)  # fmt: skip


def parts_of_separable(model: Model) -> dict[str, tuple[str, str]]:
    """Return the names of the two convolutions that each SeparableConv2D becomes, by its name."""
    kind = load_keras().layers.SeparableConv2D
    names = [layer.name for layer in model.layers if isinstance(layer, kind)]
    return {name: (f"{name}_depthwise", f"{name}_pointwise") for name in names}


def split_separable(model: Model) -> Any:
    """Return `model` with each SeparableConv2D `x` replaced by `x_depthwise` and `x_pointwise`, with its weights.

    The tensor between the two then has a name and a range of its own, which int8 inference needs. Both are trained as
    the layer was: trainable or not, with its regularizers and constraints.
    """
    layers = load_keras().layers
    pairs: list[tuple[Any, Any, Any]] = []

    def substitute(layer: Layer, prefix: str) -> Callable[[Any], Any]:
        if not isinstance(layer, layers.SeparableConv2D):
            return layer
        config = layer.get_config()
        common = {key: config[key] for key in ("trainable", "dtype", "data_format")}
        depthwise = layers.DepthwiseConv2D(
            **common,
            **{key: config[key] for key in (*WINDOW, *DEPTHWISE)},
            use_bias=False,
            name=f"{layer.name}_depthwise",
        )
        pointwise = layers.Conv2D(
            **common,
            **{key: config[key] for key in POINTWISE},
            **{f"kernel_{what}": config[f"pointwise_{what}"] for what in TRAINING},
            kernel_size=1,
            name=f"{layer.name}_pointwise",
        )
        pairs.append((layer, depthwise, pointwise))
        return lambda tensor: pointwise(depthwise(tensor))

    split = replay(model, substitute)
    for layer, depthwise, pointwise in pairs:
        weights = layer.get_weights()
        depthwise.set_weights(weights[:1])
        pointwise.set_weights(weights[1:])
    return split
