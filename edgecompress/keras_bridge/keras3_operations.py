"""Which operations of `keras.ops` are understood, with each of their attributes; none is passed over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgecompress.environment import load_tensorflow
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_bridge import keras3_activations as activations

BOOKKEEPING = ("name", "_inbound_nodes", "_outbound_nodes", "_remat_mode", "_auto_config", "_lock")


@dataclass(frozen=True)
class Rule:
    """How an operation is computed in TensorFlow: `apply(operation, *arguments)`, and the attributes that it reads."""

    apply: Callable[..., Any]
    attributes: tuple[str, ...] = ()


def apply(operation: Any, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Return what an operation of Keras 3 computes, as tensors of Keras 2.

    Raises:
        UnsupportedModelError: the operation, an attribute of it or an argument is not understood.
    """
    kind = type(operation).__name__
    known = OPERATIONS.get(kind) if type(operation).__module__.startswith("keras.src.ops.") else None
    if known is None:
        raise refusal(operation, "it is not among those that are translated")
    given = {key: value for key, value in options.items() if value is not None}
    unknown = [key for key in vars(operation) if key not in (*BOOKKEEPING, *known.attributes)] + list(given)
    if unknown:
        raise refusal(operation, f"its option {unknown[0]} is not understood")
    return known.apply(operation, *arguments)


def refusal(operation: Any, why: str) -> UnsupportedModelError:
    """Return the refusal of an operation of Keras 3."""
    return UnsupportedModelError(
        f"The operation '{operation.name}' ({type(operation).__name__}) of the Keras 3 model cannot be translated to "
        f"Keras 2: {why}.",
        hint="Write it as a layer; arithmetic, activations, means, sums, reshapes and slices are translated.",
    )


def _tf(name: str) -> Rule:
    """A function of `tf` of the operation's tensors alone."""
    return Rule(lambda _, *arguments: _function(name)(*arguments))


def _activation(name: str) -> Rule:
    return Rule(lambda _, tensor: activations.activated(tensor, name))


def _composed(name: str) -> Rule:
    return Rule(lambda _, tensor: activations.COMPOSED[name](tensor))


def _reduced(name: str) -> Rule:
    def reduce(operation: Any, tensor: Any) -> Any:
        return _function(name)(tensor, axis=operation.axis, keepdims=operation.keepdims)

    return Rule(reduce, ("axis", "keepdims"))


def _function(name: str) -> Callable[..., Any]:
    found = load_tensorflow()
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _extreme(name: str) -> Rule:
    """The greatest or the least along axes; an `initial` value among them is not understood."""
    reduce = _reduced(name).apply

    def apply_extreme(operation: Any, tensor: Any) -> Any:
        if operation.initial is not None:
            raise refusal(operation, f"its initial value ({operation.initial!r}) is not understood")
        return reduce(operation, tensor)

    return Rule(apply_extreme, ("axis", "keepdims", "initial"))


def _softmax(operation: Any, tensor: Any) -> Any:
    if not isinstance(operation.axis, int):
        raise refusal(operation, f"its axis is {operation.axis!r}, and not one axis")
    return activations.named("Softmax", tensor, axis=operation.axis)


def _clip(operation: Any, tensor: Any) -> Any:
    if not all(isinstance(bound, int | float) for bound in (operation.x_min, operation.x_max)):
        raise refusal(operation, "its bounds are no plain numbers")
    return _function("clip_by_value")(tensor, float(operation.x_min), float(operation.x_max))


def _gelu(operation: Any, tensor: Any) -> Any:
    return _function("nn.gelu")(tensor, approximate=operation.approximate)


def _pad(operation: Any, tensor: Any) -> Any:
    if operation.mode != "constant":
        raise refusal(operation, f"its mode is {operation.mode!r}, and only padding by zeros is understood")
    return _function("pad")(tensor, [list(pair) for pair in operation.pad_width])


OPERATIONS: dict[str, Rule] = {
    "Add": Rule(lambda _, a, b: a + b),
    "Subtract": Rule(lambda _, a, b: a - b),
    "Multiply": Rule(lambda _, a, b: a * b),
    "Divide": Rule(lambda _, a, b: a / b),
    "TrueDivide": Rule(lambda _, a, b: a / b),
    "Negative": Rule(lambda _, a: -a),
    "Power": _tf("pow"),
    "Maximum": _tf("maximum"),
    "Minimum": _tf("minimum"),
    "Absolute": _tf("abs"),
    "Square": _tf("square"),
    "Sqrt": _tf("sqrt"),
    "Rsqrt": _tf("math.rsqrt"),
    "Exp": _tf("exp"),
    "Log": _tf("math.log"),
    "Log1p": _tf("math.log1p"),
    "Matmul": _tf("matmul"),
    "Clip": Rule(_clip, ("x_min", "x_max")),
    "Relu": _activation("relu"),
    "Relu6": _composed("relu6"),
    "LeakyRelu": Rule(
        lambda operation, tensor: activations.named("LeakyReLU", tensor, alpha=operation.negative_slope),
        ("negative_slope",),
    ),
    "Elu": Rule(lambda operation, tensor: activations.named("ELU", tensor, alpha=operation.alpha), ("alpha",)),
    "Selu": _activation("selu"),
    "Gelu": Rule(_gelu, ("approximate",)),
    "Sigmoid": _activation("sigmoid"),
    "Tanh": _activation("tanh"),
    "Softplus": _activation("softplus"),
    "Softsign": _activation("softsign"),
    "Silu": _composed("silu"),
    "HardSigmoid": _composed("hard_sigmoid"),
    "HardSilu": _composed("hard_silu"),
    "Softmax": Rule(_softmax, ("axis",)),
    "Mean": _reduced("reduce_mean"),
    "Sum": _reduced("reduce_sum"),
    "Max": _extreme("reduce_max"),
    "Min": _extreme("reduce_min"),
    "Reshape": Rule(lambda operation, tensor: _function("reshape")(tensor, operation.newshape), ("newshape",)),
    "Transpose": Rule(lambda operation, tensor: _function("transpose")(tensor, operation.axes), ("axes",)),
    "ExpandDims": Rule(lambda operation, tensor: _function("expand_dims")(tensor, operation.axis), ("axis",)),
    "Squeeze": Rule(lambda operation, tensor: _function("squeeze")(tensor, operation.axis), ("axis",)),
    "Concatenate": Rule(lambda operation, tensors: _function("concat")(tensors, operation.axis), ("axis",)),
    "Stack": Rule(lambda operation, tensors: _function("stack")(tensors, operation.axis), ("axis",)),
    "Pad": Rule(_pad, ("pad_width", "mode")),
    "GetItem": Rule(lambda _, tensor, key: tensor[key]),
}
