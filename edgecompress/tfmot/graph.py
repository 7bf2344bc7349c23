"""Copying a functional model layer by layer: what every method does before it lets TF-MOT touch anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_types import Layer, Model


def copy_model(model: Model) -> Model:
    """Return a functional copy with its own weights, in which nested functional models are flattened.

    A layer of a nested model `outer/inner` is named `outer_inner` where its own name is taken. Shared layers
    stay shared.

    Raises:
        UnsupportedModelError: the model, or a model nested in it, is subclassed: its graph is Python code.
    """
    copies: dict[int, Layer] = {}
    taken = {layer.name for layer in model.layers if not _is_model(layer)}

    def copied(layer: Layer, prefix: str) -> Layer:
        if id(layer) not in copies:
            config = layer.get_config()
            if prefix and layer.name in taken:
                config["name"] = f"{prefix}_{layer.name}"
            copies[id(layer)] = type(layer).from_config(config)
            taken.add(config["name"])
        return copies[id(layer)]

    copy = replay(model, copied)
    for layer in walk_layers(model):
        if layer.weights:
            give_weights(copies[id(layer)], layer.get_weights())
    return copy


def give_weights(layer: Layer, weights: list[Any]) -> None:
    """Set the weights of a layer; what an adapted layer computes from them is computed anew, which Keras leaves out."""
    layer.set_weights(weights)
    for part in layer._flatten_layers():
        if isinstance(part, load_tf_keras().layers.experimental.preprocessing.PreprocessingLayer):
            part.finalize_state()


def replay(model: Model, substitute: Callable[[Layer, str], Layer]) -> Model:
    """Build a functional model of the same graph with `substitute(layer, prefix)` in the place of each layer."""
    keras = load_tf_keras()
    functional = functional_of(model)
    inputs = [
        keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=layer.name)
        for tensor, layer in zip(functional.inputs, functional._input_layers, strict=True)
    ]
    outputs = _replay(functional, inputs, substitute, "")
    return keras.Model(inputs, outputs[0] if len(outputs) == 1 else outputs, name=model.name)


def walk_layers(model: Model) -> Iterator[Layer]:
    """Yield every layer that is not itself a model, nested ones included, each once."""
    seen: set[int] = set()

    def walk(net: Model) -> Iterator[Layer]:
        for layer in net.layers:
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            if _is_model(layer):
                yield from walk(layer)
            else:
                yield layer

    return walk(model)


def inbound_layers(layer: Layer) -> tuple[Layer, ...]:
    """Return the layers whose outputs `layer` reads."""
    tensorflow = load_tensorflow()
    return tuple(found for node in layer._inbound_nodes for found in tensorflow.nest.flatten(node.inbound_layers))


def called_again(model: Model, layer: Layer) -> str:
    """Return why TF-MOT can wrap no layer that a functional model calls more than once, or ''; it wraps calls."""
    calls = sum(node.layer is layer for nodes in model._nodes_by_depth.values() for node in nodes)
    return "TF-MOT wraps no layer that is called more than once" if calls > 1 else ""


def _is_model(layer: Layer) -> bool:
    return isinstance(layer, load_tf_keras().Model)


def functional_of(model: Model) -> Model:
    """Return a functional or Sequential model as one that has the bookkeeping of a graph.

    Raises:
        UnsupportedModelError: subclassed, or Sequential without an input shape.
    """
    keras = load_tf_keras()
    if isinstance(model, keras.Sequential):
        if not model.built or not model.inputs:
            raise UnsupportedModelError(
                f"Model '{model.name}' is a Sequential model without an input shape.",
                hint="Give its first layer an input_shape, or call model.build().",
            )
        return keras.Model(model.inputs, model.outputs, name=model.name)
    if not getattr(model, "_is_graph_network", False):
        raise UnsupportedModelError(
            f"Model '{model.name}' is a subclassed model ({type(model).__name__}): its graph is Python code.",
            hint="Rebuild it with the functional API, keras.Model(inputs, outputs).",
        )
    return model


def _replay(model: Model, inputs: list[Any], substitute: Callable[[Layer, str], Layer], prefix: str) -> list[Any]:
    """Call the substitutes in the model's order; the bookkeeping is Keras's own (`Functional._run_internal_graph`)."""
    nest = load_tensorflow().nest
    uses = model._tensor_usage_count
    tensors = {str(id(old)): [new] * uses[str(id(old))] for old, new in zip(model.inputs, inputs, strict=True)}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input or any(key not in tensors for key in node.flat_input_ids):
                continue
            args, kwargs = node.map_arguments(tensors)
            if _is_model(node.layer):
                nested = functional_of(node.layer)
                outputs = _replay(nested, nest.flatten(args), substitute, f"{prefix}{node.layer.name}")
            else:
                outputs = nest.flatten(substitute(node.layer, prefix)(*args, **kwargs))
            for key, output in zip(node.flat_output_ids, outputs, strict=True):
                tensors[key] = [output] * uses[key]
    return [tensors[str(id(tensor))].pop() for tensor in model.outputs]
