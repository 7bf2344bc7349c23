"""LeNet-5 in Caffe's form (20-50-500), the one that compression papers mean."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_tf_keras
from edgecompress.zoo.architecture import Architecture, require_resolution


def build(*, resolution: int, channels: int, classes: int) -> Any:
    """Return two 5x5 convolutions with 2x2 max-pools and two dense layers: 431,080 parameters at 28 x 28, 10 classes.

    Raises:
        ArchitectureError: a resolution below 16, which leaves the second pool nothing.
    """
    require_resolution("lenet_5", resolution, 16)
    layers = load_tf_keras().layers
    image = layers.Input((resolution, resolution, channels))
    x = layers.Conv2D(20, 5, name="conv1")(image)
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = layers.Conv2D(50, 5, name="conv2")(x)
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(500, activation="relu", name="ip1")(x)
    x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return load_tf_keras().Model(image, x, name="lenet_5")


LENET_5 = Architecture(
    name="lenet_5",
    summary="Caffe's LeNet: 20 and 50 filters, 500 units",
    paper="LeCun et al., Gradient-based learning applied to document recognition, 1998; Caffe's lenet",
    default_resolution=28,
    default_channels=1,
    options=(),
    construct=build,
)
