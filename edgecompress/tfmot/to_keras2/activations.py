"""Activations of Keras 3 by what Keras 2 has: the same function, or layers that compute it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecompress.environment import load_tf_keras

# One function by one name in both.
SAME = (
    "linear", "relu", "softmax", "sigmoid", "tanh", "elu", "selu", "softplus", "softsign", "exponential", "gelu", "mish"
)  # fmt: skip
ACTIVATION_LAYERS = ("ReLU", "LeakyReLU", "ELU", "Softmax")  # in the place of a name
# What a recurrent cell may have inside, by Keras 2's name. `hard_sigmoid` is another function there.
IN_CELLS = {**{name: name for name in SAME}, "silu": "swish", "relu6": "relu6", "leaky_relu": "leaky_relu"}


def named(kind: str, tensor: Any, **options: Any) -> Any:
    """Apply a layer of Keras 2 that has a name which no layer of the original can have taken."""
    keras = load_tf_keras()
    name = f"translated_{options.get('activation', kind).lower()}"
    return getattr(keras.layers, kind)(**options, name=f"{name}_{keras.backend.get_uid(name)}")(tensor)


def activated(tensor: Any, activation: str) -> Any:
    """Apply an activation of Keras 2, by its name there."""
    return named("Activation", tensor, activation=activation)


def relu6(tensor: Any) -> Any:
    """min(max(x, 0), 6)."""
    return named("ReLU", tensor, max_value=6.0)


def hard_sigmoid(tensor: Any) -> Any:
    """relu6(x + 3) / 6; Keras 2 means clip(x / 5 + 1/2, 0, 1) by that name."""
    return relu6(tensor + 3.0) * (1 / 6)


def hard_silu(tensor: Any) -> Any:
    """x relu6(x + 3) / 6."""
    return tensor * hard_sigmoid(tensor)


COMPOSED: dict[str, Callable[[Any], Any]] = {
    "relu6": relu6,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_silu,
    "silu": lambda tensor: activated(tensor, "swish"),
    "leaky_relu": lambda tensor: named("LeakyReLU", tensor, alpha=0.2),
    "log_softmax": lambda tensor: activated(tensor, "log_softmax"),
}
