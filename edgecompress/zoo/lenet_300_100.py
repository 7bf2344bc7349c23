"""LeNet-300-100: the dense network of the compression literature."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_tf_keras
from edgecompress.zoo.architecture import Architecture


def build(*, resolution: int, channels: int, classes: int) -> Any:
    """Return two hidden layers of 300 and 100 ReLU units: 266,610 parameters at 28 x 28 and 10 classes."""
    layers = load_tf_keras().layers
    image = layers.Input((resolution, resolution, channels))
    x = layers.Flatten(name="flatten")(image)
    x = layers.Dense(300, activation="relu", name="fc1")(x)
    x = layers.Dense(100, activation="relu", name="fc2")(x)
    x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return load_tf_keras().Model(image, x, name="lenet_300_100")


LENET_300_100 = Architecture(
    name="lenet_300_100",
    summary="two hidden layers of 300 and 100 units",
    paper="LeCun et al., Gradient-based learning applied to document recognition, 1998",
    default_resolution=28,
    default_channels=1,
    options=(),
    construct=build,
)
