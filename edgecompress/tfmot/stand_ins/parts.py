"""The layers of Keras 3 that stand for a stand-in: plain ones and binary ones, with its options and weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.environment import load_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_types import Layer
from edgecompress.layers import custom_objects
from edgecompress.tfmot.to_keras3.activations import SAME, name_of
from edgecompress.tfmot.to_keras3.training import training_options

FIGURES = (
    "units", "filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier",
    "use_bias",
)  # fmt: skip

Part = tuple[Any, list[np.ndarray]]  # a layer of Keras 3, and its weights


def options_of(layer: Layer, name: str) -> dict[str, Any]:
    """Return the options of a Dense, Conv2D, DepthwiseConv2D or SeparableConv2D of Keras 2 for its equal in Keras 3.

    Constraints are left out.

    Raises:
        UnsupportedModelError: its activation is none that both have.
    """
    activation = name_of(layer.activation)
    if activation not in SAME:
        raise UnsupportedModelError(
            f"Layer '{name}' ({type(layer).__name__}) has the activation '{activation or 'of its own'}' inside, which "
            "Keras 3 does not have.",
            hint="Put the activation behind the layer, as a layer of its own.",
        )
    config = layer.get_config()
    figures = {key: config[key] for key in FIGURES if key in config}
    if config.get("groups", 1) != 1:
        figures["groups"] = config["groups"]
    regularizers, _ = training_options(name, config)
    common = {"name": name, "trainable": layer.trainable, "activation": SAME[activation]}
    return {**figures, **regularizers, **common}


def plain_layer(kind: str, options: dict[str, Any]) -> Any:
    """Return the layer of Keras 3's class `kind`."""
    return getattr(load_keras().layers, kind)(**options)


def binary_layer(kind: str, options: dict[str, Any]) -> Any:
    """Return the binary form of the layer of Keras 3's class `kind`."""
    return custom_objects()[f"Binary{kind}"](**options)


def sign_layer(name: str) -> Any:
    """Return the layer that takes signs."""
    return custom_objects()["Sign"](name=name)
