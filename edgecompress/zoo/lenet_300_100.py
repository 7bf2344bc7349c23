"""LeNet-300-100: the dense network of the compression literature."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras
from edgecompress.errors import ArchitectureError
from edgecompress.zoo.architecture import Architecture, Option


def build(*, resolution: int, channels: int, classes: int, dropout: float) -> Any:
    """Return two hidden layers of 300 and 100 ReLU units: 266,610 parameters at 28 x 28 and 10 classes.

    With `dropout`, that share of each hidden layer's outputs is dropped while training.

    Raises:
        ArchitectureError: dropout outside [0, 1).
    """
    if not 0.0 <= dropout < 1.0:
        raise ArchitectureError(f"lenet_300_100 got dropout {dropout:g}.", hint="Use 0 (none) to below 1, such as 0.5.")
    layers = load_keras().layers
    image = layers.Input((resolution, resolution, channels))
    x = layers.Flatten(name="flatten")(image)
    x = layers.Dense(300, activation="relu", name="fc1")(x)
    if dropout:
        x = layers.Dropout(dropout, name="fc1_dropout")(x)
    x = layers.Dense(100, activation="relu", name="fc2")(x)
    if dropout:
        x = layers.Dropout(dropout, name="fc2_dropout")(x)
    x = layers.Dense(classes, activation="softmax", name="predictions")(x)
    return load_keras().Model(image, x, name="lenet_300_100")


LENET_300_100 = Architecture(
    name="lenet_300_100",
    summary="two hidden layers of 300 and 100 units",
    paper="LeCun et al., Gradient-based learning applied to document recognition, 1998",
    default_resolution=28,
    default_channels=1,
    options=(Option("dropout", 0.0, "share of each hidden layer's outputs that is dropped while training"),),
    construct=build,
    input_range=(0.0, 1.0),  # a background of zeros: one of -1 adds noise to each of the 784 weights of a unit
)
