"""Architectures, one a file; importing them loads no TensorFlow."""

from __future__ import annotations

from edgecompress.errors import ArchitectureError
from edgecompress.suggest import suggest
from edgecompress.zoo.architecture import Architecture
from edgecompress.zoo.bnn_mlp import BNN_MLP
from edgecompress.zoo.lenet_5 import LENET_5
from edgecompress.zoo.lenet_300_100 import LENET_300_100
from edgecompress.zoo.mobilenet_v1 import MOBILENET_V1
from edgecompress.zoo.quicknet import QUICKNET
from edgecompress.zoo.squeezenet import SQUEEZENET

ARCHITECTURES: tuple[Architecture, ...] = (MOBILENET_V1, SQUEEZENET, QUICKNET, LENET_300_100, LENET_5, BNN_MLP)


def find(name: str) -> Architecture:
    """Return the architecture called `name`.

    Raises:
        ArchitectureError: there is none; the nearest name is suggested.
    """
    by_name = {architecture.name: architecture for architecture in ARCHITECTURES}
    if name not in by_name:
        raise ArchitectureError(
            f"There is no architecture '{name}'.",
            hint=suggest(name, by_name),
        )
    return by_name[name]
