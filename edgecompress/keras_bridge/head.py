"""The classifier at the end of a network: what its outputs are, and another one in its place."""

from __future__ import annotations

from typing import Any

from edgecompress.environment import load_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge.graph import remade, replay
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_bridge.walks import functional_of, nodes_of
from edgecompress.keras_types import Layer, Model

HEAD = "head"  # what a classifier is called where the network had none
PASSED = ("Activation", "Softmax", "Reshape", "Flatten", "Dropout", "GlobalAveragePooling2D")  # behind a classifier


def end_of(model: Model) -> str:
    """Return "softmax" or "sigmoid" where that is the last activation, and "linear" otherwise."""
    activations = load_keras().activations
    for layer in _end(model):
        for kind, function in (("Softmax", activations.softmax), ("Sigmoid", activations.sigmoid)):
            if _is_activation(layer, kind, function):
                return kind.lower()
    return "linear"


def with_end(model: Model, activation: str) -> Model:
    """Return a network that ends in a softmax with another activation, "sigmoid" or "linear", in its place.

    Other layers are the same ones; with "softmax" the network is.
    """
    if activation == "softmax":
        return model
    keras = load_keras()
    end = [layer for layer in _end(model) if _is_softmax(layer)]

    def other(layer: Layer) -> Layer | None:
        if layer not in end:
            return None
        if isinstance(layer, keras.layers.Softmax):
            return keras.layers.Activation(activation, name=layer.name)
        return type(layer).from_config({**layer.get_config(), "activation": activation})

    return remade(model, other)


def with_new_head(model: Model, classes: int) -> tuple[Model, str]:
    """Return the network with a classifier of so many classes, fresh, in the place of its own; and that one's name.

    A network that ends in features, a map, a sequence or a vector, gets `softmax(W mean(features) + b)`.

    Raises:
        UnsupportedModelError: its output is neither.
    """
    keras = load_keras()
    functional = functional_of(model)
    end = _end(model)
    last = end[-1]
    convolution = isinstance(last, keras.layers.Conv2D) and any(_is_softmax(each) for each in end)
    if not isinstance(last, keras.layers.Dense) and not convolution:
        return _with_head_behind(functional, classes), HEAD
    if sum(node.operation is last for node in nodes_of(functional)) > 1:
        raise UnsupportedModelError(
            f"'{last.name}', the last layer of '{functional.name}' with a kernel, is called more than once.",
            hint="Cut the model before it: keras.Model(model.inputs, features).",
        )
    old = last.units if isinstance(last, keras.layers.Dense) else last.filters
    renewed: dict[str, Layer] = {}

    def substitute(layer: Layer, prefix: str) -> Layer:
        if layer not in end:
            return layer
        if layer.name not in renewed:
            renewed[layer.name] = type(layer).from_config(_for_classes(layer.get_config(), old, classes))
        return renewed[layer.name]

    return replay(model, substitute), last.name


def _with_head_behind(functional: Model, classes: int) -> Model:
    keras = load_keras()
    features = functional.outputs[0]
    if len(functional.outputs) != 1 or len(features.shape) not in (2, 3, 4):
        shapes = ", ".join(str(tuple(each.shape)) for each in functional.outputs)
        raise UnsupportedModelError(
            f"'{functional.name}' ends in {shapes}, neither a map of features (N, height, width, channels), "
            "nor a sequence or a vector of them.",
            hint="Cut it where it gives one of these: keras.Model(model.inputs, features).",
        )
    copy = replay(functional, lambda layer, prefix: layer)
    features = copy.outputs[0]
    if len(features.shape) > 2:
        layers = keras.layers
        pooling = layers.GlobalAveragePooling2D if len(features.shape) == 4 else layers.GlobalAveragePooling1D
        features = pooling(name=f"{HEAD}_pooling")(features)
    scores = keras.layers.Dense(classes, activation="softmax", name=HEAD)(features)
    return keras.Model(copy.inputs, scores, name=functional.name)


def _end(model: Model) -> list[Layer]:
    """The layers from the output back to the last with a kernel, or to the first that no classifier has behind it."""
    tensor = functional_of(model).outputs[0]
    found: list[Layer] = []
    while not found or (not kernels(found[-1]) and type(found[-1]).__name__ in PASSED):
        operation, call, _ = tensor._keras_history
        found.append(operation)
        read = operation._inbound_nodes[call].input_tensors
        if not read:  # it is an input
            break
        tensor = read[0]
    return found


def _is_softmax(layer: Layer) -> bool:
    return _is_activation(layer, "Softmax", load_keras().activations.softmax)


def _is_activation(layer: Layer, kind: str, function: Any) -> bool:
    return type(layer).__name__ == kind or getattr(layer, "activation", None) is function


def _for_classes(config: dict[str, Any], old: int, classes: int) -> dict[str, Any]:
    """The configuration of a layer of a classifier with another number of classes, of which one is meant."""
    renewed = dict(config)
    if config.get("activation") == "sigmoid":
        renewed["activation"] = "softmax"
    for key in ("units", "filters"):
        if key in config:
            renewed[key] = classes
    if "target_shape" in config:
        renewed["target_shape"] = tuple(classes if size == old else size for size in config["target_shape"])
    return renewed
