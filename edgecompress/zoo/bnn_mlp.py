"""The dense network on which BinaryConnect and BNN were shown on MNIST: three wide hidden layers with batch norm."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras
from edgecompress.errors import ArchitectureError
from edgecompress.zoo.architecture import Architecture, Option

MOMENTUM = 0.9  # as in the convolutional networks
EPSILON = 1e-4  # the paper's


def build(*, resolution: int, channels: int, classes: int, units: int) -> Any:
    """Return three hidden layers of `units`, each dense, batch norm, ReLU, and a dense layer of `classes` scores.

    BNN takes 4,096 units and the sign in the place of ReLU; its squared hinge loss is a softmax here.

    Raises:
        ArchitectureError: no unit, or more than 65,536.
    """
    if not 1 <= units <= 65_536:
        raise ArchitectureError(f"bnn_mlp got {units} units.", hint="Use 1 to 65536; BNN has 4096, BinaryConnect 2048.")
    layers = load_keras().layers
    image = layers.Input((resolution, resolution, channels))
    x = layers.Flatten(name="flatten")(image)
    for index in range(1, 4):
        x = layers.Dropout(0.2, name=f"dropout{index}")(x)
        x = layers.Dense(units, use_bias=False, name=f"hidden{index}")(x)
        x = layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, name=f"hidden{index}_bn")(x)
        x = layers.ReLU(name=f"hidden{index}_relu")(x)
    x = layers.Dense(classes, name="scores")(x)
    x = layers.Activation("softmax", name="predictions")(x)
    return load_keras().Model(image, x, name=f"bnn_mlp_{units}")


BNN_MLP = Architecture(
    name="bnn_mlp",
    summary="three wide hidden layers with batch norm",
    paper="Hubara et al., Binarized Neural Networks, arXiv:1602.02830",
    default_resolution=28,
    default_channels=1,
    options=(Option("units", 4096, "width of the hidden layers"),),
    construct=build,
)
