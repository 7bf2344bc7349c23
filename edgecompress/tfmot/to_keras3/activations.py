"""Activations of Keras 2 by what Keras 3 has: the same function, by its name there, or operations that compute it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecompress.environment import load_keras, load_tensorflow, load_tf_keras

# One function in both, by Keras 3's name; in recurrent cells as well.
SAME = {
    **{
        name: name
        for name in (
            "linear", "relu", "softmax", "sigmoid", "tanh", "elu", "selu", "softplus", "softsign", "exponential",
            "gelu", "mish", "relu6", "leaky_relu", "log_softmax", "silu",
        )
    },
    "swish": "silu",
}  # fmt: skip
# TensorFlow's own functions, which Keras 2 takes in the place of its.
OF_TENSORFLOW = ("relu", "softmax", "sigmoid", "tanh", "elu", "selu", "softplus", "softsign", "gelu")
ACTIVATION_LAYERS = ("ReLU", "LeakyReLU", "ELU", "Softmax", "ThresholdedReLU")  # in the place of a function


def hard_sigmoid(tensor: Any) -> Any:
    """clip(x / 5 + 1/2, 0, 1); Keras 3 means relu6(x + 3) / 6 by that name."""
    return load_keras().ops.clip(tensor * 0.2 + 0.5, 0.0, 1.0)


COMPOSED: dict[str, Callable[[Any], Any]] = {"hard_sigmoid": hard_sigmoid}


def name_of(function: Any) -> str | None:
    """Return what Keras 2 calls an activation, None for a function that is none of its own."""
    known = load_tf_keras().activations
    found = (name for name in (*SAME, *COMPOSED) if known.get(name) is function)
    return next(found, None) or next(
        (name for name in OF_TENSORFLOW if getattr(load_tensorflow().nn, name) is function), None
    )
