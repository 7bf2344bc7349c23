"""Models of Keras 3, rebuilt layer by layer in Keras 2; what has no equal there is refused by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.errors import UnsupportedModelError

# Keys of Keras 3 on which neither a layer's weights nor its function depend once it is trained.
WITHOUT_EFFECT = (
    "dtype",
    "quantization_config",
    "synchronized",
    "renorm",
    "renorm_clipping",
    "renorm_momentum",
    "seed",
)
TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")
RENAMED = {("LeakyReLU", "negative_slope"): "alpha"}
SAME_ACTIVATIONS = (
    "linear", "relu", "softmax", "sigmoid", "tanh", "elu", "selu", "softplus", "softsign", "exponential", "gelu"
)  # fmt: skip


def load_keras3(path: Path, *, trust: bool = False) -> Any:
    """Load a file that Keras 3 wrote, and return the same network in Keras 2.

    Raises:
        UnsupportedModelError: a layer, an option or an operation has no equal in Keras 2; it is named.
    """
    load_tensorflow()  # first, so that tf.keras stays Keras 2
    import keras

    return translate(keras.models.load_model(path, compile=False, safe_mode=not trust))


def translate(model: Any) -> Any:
    """Return the tf_keras model with the functions and weights of a functional or Sequential model of Keras 3."""
    layers: dict[int, Any] = {}
    functional = _functional(model)
    inputs = [
        load_tf_keras().Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=tensor.name)
        for tensor in functional.inputs
    ]
    outputs = _replay(functional, inputs, layers)
    translated = load_tf_keras().Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=model.name)
    for original, layer in layers.values():
        expected, found = original.get_weights(), layer.get_weights()
        if [array.shape for array in expected] != [array.shape for array in found]:
            raise _refusal(original, "its weights have other shapes in Keras 2")
        layer.set_weights(expected)
    return translated


def _replay(model: Any, inputs: list[Any], layers: dict[int, Any]) -> list[Any]:
    import keras

    nest = load_tensorflow().nest
    tensors = {id(old): new for old, new in zip(model.inputs, inputs, strict=True)}

    def known(value: Any) -> Any:
        return tensors[id(value)] if isinstance(value, keras.KerasTensor) else value

    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            arguments = nest.map_structure(known, list(node.arguments.args))
            options = {key: known(value) for key, value in node.arguments.kwargs.items() if value is not None}
            operation = node.operation
            if isinstance(operation, keras.Model):
                outputs = _replay(_functional(operation), nest.flatten(arguments), layers)
            elif isinstance(operation, keras.layers.Layer):
                options.pop("training", None)
                if options:
                    raise _refusal(operation, f"it is called with {', '.join(options)}")
                outputs = [_call(operation, arguments, layers)]
            else:
                outputs = [_operation(operation)(*arguments, **options)]
            tensors.update((id(old), new) for old, new in zip(node.outputs, outputs, strict=True))
    return [tensors[id(tensor)] for tensor in model.outputs]


def _call(original: Any, arguments: list[Any], layers: dict[int, Any]) -> Any:
    """Call the Keras 2 layer of a Keras 3 layer; an activation that Keras 2 lacks follows it as layers of its own."""
    config = original.get_config()
    then: Callable[[Any], Any] | None = None
    activation = config.get("activation")
    if activation is not None and activation not in SAME_ACTIVATIONS:
        if activation not in COMPOSED:
            raise _refusal(original, f"Keras 2 has no activation {activation!r}")
        then = COMPOSED[activation]
        config["activation"] = "linear"
    if id(original) not in layers:
        layers[id(original)] = (original, _make(original, config))
    output = layers[id(original)][1](*arguments)
    return then(output) if then else output


def _make(original: Any, config: dict[str, Any]) -> Any:
    name = type(original).__name__
    kind = getattr(load_tf_keras().layers, name, None)
    if kind is None or type(original).__module__.split(".")[0] != "keras":
        raise _refusal(original, f"Keras 2 has no layer {name}")
    accepted = set(inspect.signature(kind.__init__).parameters) | {"name", "trainable"}
    arguments = {}
    for key, value in config.items():
        key = RENAMED.get((name, key), key)
        if key in WITHOUT_EFFECT or key.endswith(TRAINING_ONLY):
            continue
        if key in accepted:
            arguments[key] = value
        elif value not in (None, False):
            raise _refusal(original, f"Keras 2 has no option {key}={value!r} there")
    return kind(**arguments)


def _operation(operation: Any) -> Callable[..., Any]:
    name = type(operation).__name__
    if name not in OPERATIONS:
        raise UnsupportedModelError(
            f"The Keras 3 model uses the operation {name} ('{operation.name}'), which is not translated to Keras 2.",
            hint=f"Known: {', '.join(OPERATIONS)}; or write it as a layer.",
        )
    return OPERATIONS[name]


def _functional(model: Any) -> Any:
    functional = getattr(model, "_functional", None) or model  # a Sequential model keeps its graph there
    if not hasattr(functional, "_nodes_by_depth"):
        raise UnsupportedModelError(
            f"Model '{model.name}' is a subclassed model ({type(model).__name__}): its graph is Python code.",
            hint="Rebuild it with the functional API, keras.Model(inputs, outputs).",
        )
    return functional


def _refusal(layer: Any, why: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"Layer '{layer.name}' ({type(layer).__name__}) of the Keras 3 model cannot be translated to Keras 2: {why}.",
        hint="Replace it by a layer that both have.",
    )


def _activated(tensor: Any, activation: str) -> Any:
    """Apply a Keras 2 activation, in a layer whose name no layer of the original can have taken."""
    keras = load_tf_keras()
    name = f"translated_{activation}"
    return keras.layers.Activation(activation, name=f"{name}_{keras.backend.get_uid(name)}")(tensor)


def _relu6(tensor: Any) -> Any:
    keras = load_tf_keras()
    return keras.layers.ReLU(6.0, name=f"translated_relu6_{keras.backend.get_uid('translated_relu6')}")(tensor)


def _hard_sigmoid(tensor: Any) -> Any:
    """relu6(x + 3) / 6; Keras 2 means clip(x / 5 + 1/2, 0, 1) by that name."""
    return _relu6(tensor + 3.0) * (1 / 6)


COMPOSED: dict[str, Callable[[Any], Any]] = {
    "relu6": _relu6,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda tensor: tensor * _hard_sigmoid(tensor),
    "hard_swish": lambda tensor: tensor * _hard_sigmoid(tensor),
    "silu": lambda tensor: _activated(tensor, "swish"),
    "swish": lambda tensor: _activated(tensor, "swish"),
}
OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": lambda a, b: a + b,
    "Subtract": lambda a, b: a - b,
    "Multiply": lambda a, b: a * b,
    "Divide": lambda a, b: a / b,
    "TrueDivide": lambda a, b: a / b,
    "Relu": lambda a: _activated(a, "relu"),
    "Relu6": _relu6,
    "Sigmoid": lambda a: _activated(a, "sigmoid"),
    "Tanh": lambda a: _activated(a, "tanh"),
    "Silu": COMPOSED["silu"],
    "HardSigmoid": _hard_sigmoid,
    "HardSilu": COMPOSED["hard_silu"],
    "Softmax": lambda a: _activated(a, "softmax"),
}
