"""SqueezeNet: fire modules that squeeze channels before they expand them."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras
from edgecompress.zoo.architecture import Architecture, Option, require_resolution

SQUEEZE = (16, 16, 32, 32, 48, 48, 64, 64)  # filters of fire 2 to 9; each expands to 4 times as many 1x1 and 3x3 ones
STEM = {"1.0": (96, 7), "1.1": (64, 3)}  # filters and kernel of the first convolution
POOLS = {"1.0": (1, 4, 8), "1.1": (1, 3, 5)}  # a 3x3 max-pool of stride 2 follows the stem (1) or this fire module
SMALLEST = {"1.0": 35, "1.1": 31}  # below, the third pool has no 3 x 3 map left


def build(*, resolution: int, channels: int, classes: int, version: str, bypass: str) -> Any:
    """Return SqueezeNet 1.0 or 1.1.

    fire(x) = concat(relu(conv1x1(s)), relu(conv3x3(s))) with s = relu(conv1x1(x)). Simple bypass adds a module's input
    to its output in fire 3, 5, 7 and 9; complex bypass adds a 1x1 convolution of the input in the others too.

    Raises:
        ArchitectureError: resolution too small for the three pools without padding.
    """
    require_resolution(f"squeezenet {version}", resolution, SMALLEST[version])
    layers = load_keras().layers
    filters, kernel = STEM[version]
    image = layers.Input((resolution, resolution, channels))
    x = layers.Conv2D(filters, kernel, strides=2, padding="valid", activation="relu", name="conv1")(image)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    for index, squeezed in enumerate(SQUEEZE, start=2):
        x = _fire(layers, x, squeezed, index, bypass)
        if index in POOLS[version]:
            x = layers.MaxPooling2D(3, strides=2, name=f"pool{index}")(x)
    x = layers.Dropout(0.5, name="drop9")(x)
    x = layers.Conv2D(classes, 1, activation="relu", name="conv10")(x)
    x = layers.GlobalAveragePooling2D(name="pool10")(x)
    x = layers.Activation("softmax", name="predictions")(x)
    return load_keras().Model(image, x, name=f"squeezenet_{version}_{resolution}")


def _fire(layers: Any, x: Any, squeezed: int, index: int, bypass: str) -> Any:
    name = f"fire{index}"
    inputs = x
    x = layers.Conv2D(squeezed, 1, activation="relu", name=f"{name}_squeeze1x1")(x)
    ones = layers.Conv2D(4 * squeezed, 1, activation="relu", name=f"{name}_expand1x1")(x)
    threes = layers.Conv2D(4 * squeezed, 3, padding="same", activation="relu", name=f"{name}_expand3x3")(x)
    x = layers.Concatenate(name=f"{name}_concat")([ones, threes])
    if bypass == "none" or (bypass == "simple" and index % 2 == 0):
        return x
    if index % 2 == 0:  # the number of channels changes here
        inputs = layers.Conv2D(8 * squeezed, 1, name=f"{name}_bypass1x1")(inputs)
    return layers.Add(name=f"{name}_bypass")([inputs, x])


SQUEEZENET = Architecture(
    name="squeezenet",
    summary="fire modules; AlexNet's accuracy with a fiftieth of its parameters",
    paper="Iandola et al., SqueezeNet, arXiv:1602.07360",
    default_resolution=227,  # gives the paper's maps of 111, 55, 27 and 13; its text says 224
    default_channels=3,
    options=(
        Option("version", "1.0", "1.1 computes 2.4 times less", ("1.0", "1.1")),
        Option("bypass", "none", "connections around fire modules", ("none", "simple", "complex")),
    ),
    construct=build,
)
