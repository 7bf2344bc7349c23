"""Walks over the graphs of Keras 3 models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from edgecompress.environment import load_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_types import Model


def functional_of(model: Model) -> Any:
    """Return the graph of a functional or Sequential model of Keras 3."""
    functional = getattr(model, "_functional", None) or model  # a Sequential model keeps its graph there
    if isinstance(model, load_keras().Sequential) and functional is model:
        raise UnsupportedModelError(
            f"Model '{model.name}' is a Sequential model without an input shape.",
            hint="Begin it with keras.Input(shape), or call model.build().",
        )
    if not hasattr(functional, "_nodes_by_depth"):
        raise UnsupportedModelError(
            f"Model '{model.name}' is a subclassed model ({type(model).__name__}): its graph is Python code.",
            hint="Rebuild it with the functional API, keras.Model(inputs, outputs).",
        )
    return functional


def nodes_of(functional: Model) -> Iterator[Any]:
    """Yield the calls of a graph in an order in which they can be computed."""
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        yield from (node for node in functional._nodes_by_depth[depth] if not node.is_input)


def run(
    functional: Model, inputs: Sequence[Any], *, around: Callable[[Any], AbstractContextManager[Any]] = nullcontext
) -> tuple[list[tuple[Any, list[Any]]], list[Any]]:
    """Compute a graph at inference, call by call; return each call's operation and tensors, and the outputs.

    The calls inside nested models stand in the place of these. `around` is what a call of an operation happens in.
    """
    keras = load_keras()
    calls: list[tuple[Any, list[Any]]] = []

    def outputs_of(model: Model, values: Sequence[Any]) -> list[Any]:
        tensors = {id(old): new for old, new in zip(model.inputs, values, strict=True)}
        for node in nodes_of(model):
            arguments, options = node.arguments.fill_in(tensors)
            operation = node.operation
            if isinstance(operation, keras.Model):
                outputs = outputs_of(functional_of(operation), keras.tree.flatten(arguments))
            else:
                if getattr(operation, "_call_has_training_arg", False):
                    options["training"] = False
                with around(operation):
                    outputs = keras.tree.flatten(operation(*arguments, **options))
                calls.append((operation, outputs))
            tensors.update((id(old), new) for old, new in zip(node.outputs, outputs, strict=True))
        return [tensors[id(tensor)] for tensor in model.outputs]

    return calls, outputs_of(functional, [keras.ops.convert_to_tensor(value) for value in inputs])


def walk_layers(model: Model) -> Iterator[Any]:
    """Yield every layer of a Keras 3 model, those inside nested models and wrappers included, each once."""
    keras = load_keras()

    seen: set[int] = set()
    for layer in model._flatten_layers(include_self=False):
        if id(layer) not in seen and not isinstance(layer, keras.Model):
            seen.add(id(layer))
            yield layer
