"""LeNet-5 in Caffe's form (20-50-500), the one that compression papers mean."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras
from edgecompress.errors import ArchitectureError
from edgecompress.zoo.architecture import Architecture, Option, require_resolution


def build(*, resolution: int, channels: int, classes: int, dropout: float) -> Any:
    """Return two 5x5 convolutions with 2x2 max-pools and two dense layers: 431,080 parameters at 28 x 28, 10 classes.

    With `dropout`, that share of the hidden dense layer's outputs is dropped while training.

    Raises:
        ArchitectureError: a resolution below 16, which leaves the second pool nothing, or dropout outside [0, 1).
    """
    require_resolution("lenet_5", resolution, 16)
    if not 0.0 <= dropout < 1.0:
        raise ArchitectureError(f"lenet_5 got dropout {dropout:g}.", hint="Use 0 (none) to below 1, such as 0.5.")
    layers = load_keras().layers
    image = layers.Input((resolution, resolution, channels))
    x = layers.Conv2D(20, 5, name="conv1")(image)
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = layers.Conv2D(50, 5, name="conv2")(x)
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(500, activation="relu", name="ip1")(x)
    if dropout:
        x = layers.Dropout(dropout, name="ip1_dropout")(x)
    x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return load_keras().Model(image, x, name="lenet_5")


LENET_5 = Architecture(
    name="lenet_5",
    summary="Caffe's LeNet: 20 and 50 filters, 500 units",
    paper="LeCun et al., Gradient-based learning applied to document recognition, 1998; Caffe's lenet",
    default_resolution=28,
    default_channels=1,
    options=(Option("dropout", 0.0, "share of the hidden dense layer's outputs that is dropped while training"),),
    construct=build,
)
