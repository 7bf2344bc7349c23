"""Writing the loop of a recurrent layer out, step by step: files in int8, and ONNX files, have no loops."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.graph import remade
from edgecompress.keras_bridge.walks import functional_of, nodes_of
from edgecompress.keras_types import Layer, Model

MOST_STEPS = 512  # a file has the operators of each step


def loops(model: Model) -> dict[str, int]:
    """Return how many steps each recurrent layer takes that can be written out, by its name.

    That is where the length of its sequences is known, and at most 512.
    """
    found: dict[str, int] = {}
    for node in nodes_of(functional_of(model)):
        layer = node.operation
        if _loops(layer):
            steps = {tensor.shape[1] for tensor in node.input_tensors[:1]}
            found[layer.name] = max(found.get(layer.name, 0), *(MOST_STEPS + 1 if n is None else n for n in steps))
    return {name: steps for name, steps in found.items() if steps <= MOST_STEPS}


def without_loops(model: Model) -> Model:
    """Return `model` with its recurrent layers written out, where that is possible, with the same weights."""
    names = loops(model)
    if not names:
        return model

    def unrolled(layer: Layer) -> Layer | None:
        if layer.name not in names or not _loops(layer):
            return None
        return type(layer).from_config(_unrolled(layer.get_config()))

    return remade(model, unrolled)


def _loops(layer: Layer) -> bool:
    layers = load_keras().layers
    if isinstance(layer, layers.Bidirectional):
        return _loops(layer.forward_layer) or _loops(layer.backward_layer)
    return isinstance(layer, layers.RNN) and not layer.unroll


def _unrolled(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with `unroll` set, of the layer and of those that it wraps."""
    return {
        key: True if key == "unroll" else _unrolled(value) if isinstance(value, dict) else value
        for key, value in config.items()
    }
