"""Copying a functional model layer by layer, and building it anew with others: what every method does first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.walks import functional_of, nodes_of
from edgecompress.keras_types import Layer, Model

Behind = Callable[[str, list[Any]], list[Any]]


def unchanged(name: str, outputs: list[Any]) -> list[Any]:
    """Return the outputs."""
    return outputs


def copy_model(model: Model) -> Model:
    """Return a functional copy with its own weights, in which nested functional models are flattened.

    A layer of a nested model `outer/inner` is named `outer_inner` where its own name is taken. Shared layers
    stay shared.

    Raises:
        UnsupportedModelError: the model, or a model nested in it, is subclassed: its graph is Python code.
    """
    copies: dict[int, tuple[Layer, Layer]] = {}  # id of an original: it, and its copy
    taken = _names(model)

    def copied(layer: Layer, prefix: str) -> Layer:
        if id(layer) not in copies:
            config = layer.get_config()
            if prefix and layer.name in taken:
                config["name"] = f"{prefix}_{layer.name}"
            copies[id(layer)] = layer, type(layer).from_config(config)
            taken.add(config["name"])
        return copies[id(layer)][1]

    copy = _rebuilt(model, copied, taken)
    for layer, twin in copies.values():
        give_weights(twin, layer.get_weights())
    return copy


def give_weights(layer: Layer, weights: list[Any]) -> None:
    """Set the weights of a layer; what an adapted layer computes from them is computed anew, which Keras leaves out."""
    if weights:
        layer.set_weights(weights)
    for part in layer._flatten_layers():
        if hasattr(part, "finalize_state"):
            part.finalize_state()


def replay(model: Model, substitute: Callable[[Layer, str], Any], behind: Behind = unchanged) -> Model:
    """Build a functional model of the same graph with `substitute(layer, prefix)` in the place of each layer.

    Operations that are no layers are copied; those of nested models have other names where theirs are taken. What is
    computed goes on as `behind(name, outputs)`, once for each input and each call, by the name that it is made under.
    """
    return _rebuilt(model, substitute, _names(model), behind)


def inbound_layers(layer: Layer) -> tuple[Layer, ...]:
    """Return the layers and operations whose outputs `layer` reads, those of nested models among them."""
    return tuple(parent.operation for node in layer._inbound_nodes for parent in node.parent_nodes)


def first_input(layer: Layer) -> Any:
    """Return the tensor that `layer` reads where it is called first."""
    return layer._inbound_nodes[0].input_tensors[0]


def is_model(layer: Layer) -> bool:
    """Return whether a layer is a model of its own."""
    return isinstance(layer, load_keras().Model)


def _rebuilt(
    model: Model, substitute: Callable[[Layer, str], Any], taken: set[str], behind: Behind = unchanged
) -> Model:
    keras = load_keras()
    functional = functional_of(model)
    inputs = [
        keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor._keras_history.operation.name)
        for tensor in functional.inputs
    ]
    given = [behind(each._keras_history.operation.name, [each])[0] for each in inputs]
    outputs = _replay(functional, given, substitute, "", taken, behind)
    return keras.Model(*(each if len(each) > 1 else each[0] for each in (inputs, outputs)), name=model.name)


def _replay(
    model: Model,
    inputs: list[Any],
    substitute: Callable[[Layer, str], Any],
    prefix: str,
    taken: set[str],
    behind: Behind,
) -> list[Any]:
    keras = load_keras()
    tensors = {id(old): new for old, new in zip(model.inputs, inputs, strict=True)}
    for node in nodes_of(model):
        # Masks, which are tensors as well, are made anew by the calls that made them.
        arguments, options = node.arguments.convert(
            lambda value: tensors.get(id(value)) if isinstance(value, keras.KerasTensor) else value
        )
        options = {name: value for name, value in options.items() if value is not None}
        operation = node.operation
        if is_model(operation):
            nested, inner = functional_of(operation), f"{prefix}{operation.name}"
            outputs = _replay(nested, keras.tree.flatten(arguments), substitute, inner, taken, behind)
        else:
            is_layer = isinstance(operation, keras.layers.Layer)
            call = substitute(operation, prefix) if is_layer else _copied(operation, prefix, taken)
            outputs = behind(operation.name, keras.tree.flatten(call(*arguments, **options)))
        tensors.update((id(old), new) for old, new in zip(node.outputs, outputs, strict=True))
    return [tensors[id(tensor)] for tensor in model.outputs]


def _names(model: Model) -> set[str]:
    """The names of all that is called or read in a graph, but for nested models, which are flattened."""
    functional = functional_of(model)
    called = [node.operation for node in nodes_of(functional)] + functional.layers
    return {each.name for each in called if not is_model(each)}


def _copied(operation: Any, prefix: str, taken: set[str]) -> Any:
    """Return a copy of an operation that is no layer."""
    config, number = operation.get_config(), 0
    while prefix and config["name"] in taken:  # an operation is called once; outside of nested models names are its own
        number += 1
        config["name"] = f"{prefix}_{operation.name}" + (f"_{number}" if number > 1 else "")
    taken.add(config["name"])
    return type(operation).from_config(config)


def remade(model: Model, remake: Callable[[Layer], Layer | None]) -> Model:
    """Return the same graph, in which each layer for which `remake` gives another is that one, with its weights."""
    others: dict[str, tuple[Layer, Layer]] = {}

    def substitute(layer: Layer, prefix: str) -> Layer:
        if layer.name in others and others[layer.name][0] is layer:
            return others[layer.name][1]
        other = remake(layer)
        if other is None:
            return layer
        others[layer.name] = layer, other
        return other

    result = replay(model, substitute)
    for layer, other in others.values():
        other.trainable = layer.trainable
        give_weights(other, layer.get_weights())
    return result


def with_input_shapes(model: Model, shapes: Sequence[tuple[int, ...]]) -> Model:
    """Return the same graph and weights behind inputs of these shapes, without the batch; the model if it has them."""
    if [tuple(each.shape[1:]) for each in model.inputs] == list(map(tuple, shapes)):
        return model
    keras = load_keras()
    inputs = [
        keras.Input(shape, dtype=each.dtype, name=each.name) for each, shape in zip(model.inputs, shapes, strict=True)
    ]
    inner = replay(model, lambda layer, prefix: layer)
    single = inputs[0] if len(inputs) == 1 else inputs
    return copy_model(keras.Model(single, inner(single), name=model.name))
