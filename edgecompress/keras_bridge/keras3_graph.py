"""Walks over the graphs of Keras 3 models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgecompress.environment import load_keras
from edgecompress.errors import UnsupportedModelError


def functional_of(model: Any) -> Any:
    """Return the graph of a functional or Sequential model of Keras 3."""
    functional = getattr(model, "_functional", None) or model  # a Sequential model keeps its graph there
    if not hasattr(functional, "_nodes_by_depth"):
        raise UnsupportedModelError(
            f"Model '{model.name}' is a subclassed model ({type(model).__name__}): its graph is Python code.",
            hint="Rebuild it with the functional API, keras.Model(inputs, outputs).",
        )
    return functional


def nodes_of(functional: Any) -> Iterator[Any]:
    """Yield the calls of a graph in an order in which they can be computed."""
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        yield from (node for node in functional._nodes_by_depth[depth] if not node.is_input)


def walk_layers(model: Any) -> Iterator[Any]:
    """Yield every layer of a Keras 3 model, those inside nested models and wrappers included, each once."""
    keras = load_keras()

    seen: set[int] = set()
    for layer in model._flatten_layers(include_self=False):
        if id(layer) not in seen and not isinstance(layer, keras.Model):
            seen.add(id(layer))
            yield layer
