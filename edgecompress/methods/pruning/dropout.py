"""Dropout that follows pruning: fewer connections overfit less, and need less of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.graph import inbound_layers, replay
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_types import Layer
from edgecompress.methods.protocol import Model


@dataclass(frozen=True)
class FollowingDropout:
    """A dropout of rate D_o, and the kernels that it feeds into, which had C_o connections when pruning began."""

    layer: Layer  # a RescaledDropout
    rate: float
    kernels: tuple[Any, ...]
    connections: int

    def rescale(self) -> None:
        """Set the rate to D_r = D_o sqrt(C_r / C_o), where C_r connections are left.

        Han et al., arXiv:1506.02626, section 3.2.
        """
        self.layer.rescaled.assign(self.rate * math.sqrt(_connections(self.kernels) / self.connections))


def with_following_dropout(model: Model) -> tuple[Model, tuple[FollowingDropout, ...]]:
    """Return the model, on the same layers, with dropouts that can be rescaled in place of Keras's."""
    from edgecompress.layers.rescaled_dropout import RescaledDropout

    found: dict[str, FollowingDropout] = {}
    for layer in model.layers:
        if type(layer) is not load_keras().layers.Dropout or not layer.rate:
            continue
        fed = _fed_kernels(model, layer)
        if _connections(fed):
            following = RescaledDropout.from_config(layer.get_config())
            found[layer.name] = FollowingDropout(following, layer.rate, fed, _connections(fed))
    if not found:
        return model, ()
    replaced = replay(model, lambda layer, prefix: found[layer.name].layer if layer.name in found else layer)
    return replaced, tuple(found.values())


def with_plain_dropout(model: Model) -> Model:
    """Return the model, on the same layers, with Keras's dropouts again, at the rates of this moment."""
    from edgecompress.layers.rescaled_dropout import RescaledDropout

    plain: dict[str, Any] = {
        layer.name: load_keras().layers.Dropout.from_config(layer.get_config())
        for layer in model.layers
        if isinstance(layer, RescaledDropout)
    }
    return replay(model, lambda layer, prefix: plain.get(layer.name, layer)) if plain else model


def _fed_kernels(model: Model, layer: Layer) -> tuple[Any, ...]:
    """Return the kernels of the next layers downstream that have some."""
    reached = {layer.name}
    fed: list[Any] = []
    for reader in model.layers[model.layers.index(layer) :]:  # in the order in which they compute
        if any(source.name in reached for source in inbound_layers(reader)):
            if kernels(reader):
                fed += kernels(reader)
            else:
                reached.add(reader.name)
    return tuple(fed)


def _connections(kernels: Sequence[Any]) -> int:
    return sum(int(np.count_nonzero(np.asarray(kernel))) for kernel in kernels)
