"""Which operations of `keras.ops` are understood, with each of their attributes; none is passed over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from edgecompress.environment import load_tensorflow
from edgecompress.errors import UnsupportedModelError
from edgecompress.tfmot.to_keras2 import activations

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
        hint="Write it as a layer; arithmetic, activations, reductions, reshapes, slices and more are translated.",
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


def _prod(operation: Any, tensor: Any) -> Any:
    _require(operation, operation.dtype is None, f"its dtype is {operation.dtype}")
    return _function("reduce_prod")(tensor, axis=operation.axis, keepdims=operation.keepdims)


def _place(name: str) -> Rule:
    """Where the greatest or the least element along one axis is."""

    def apply_place(operation: Any, tensor: Any) -> Any:
        _require(operation, isinstance(operation.axis, int), f"its axis is {operation.axis!r}, and not one axis")
        found = _function(name)(tensor, axis=operation.axis, output_type="int32")
        return _function("expand_dims")(found, operation.axis) if operation.keepdims else found

    return Rule(apply_place, ("axis", "keepdims"))


def _cast(operation: Any, tensor: Any) -> Any:
    _require(operation, operation.dtype in PLAIN_TYPES, f"it casts to {operation.dtype}")
    return _function("cast")(tensor, operation.dtype)


def _split(operation: Any, tensor: Any) -> Any:
    sections, size = operation.indices_or_sections, tensor.shape[operation.axis]
    if not isinstance(sections, int):
        _require(operation, size is not None, "it splits an axis of free size")
        sections = [end - start for start, end in pairwise((0, *sections, size))]
    return _function("split")(tensor, sections, axis=operation.axis)


def _repeat(operation: Any, tensor: Any) -> Any:
    fits = isinstance(operation.axis, int) and isinstance(operation.repeats, int)
    _require(operation, fits, "it does not repeat every element alike along one axis")
    return _function("repeat")(tensor, operation.repeats, axis=operation.axis)


def _flip(operation: Any, tensor: Any) -> Any:
    _require(operation, isinstance(operation.axis, int), f"its axis is {operation.axis!r}, and not one axis")
    return _function("reverse")(tensor, [operation.axis])


def _swapped(operation: Any, tensor: Any) -> Any:
    order = list(range(len(tensor.shape)))
    first, second = operation.axis1, operation.axis2
    order[first], order[second] = order[second], order[first]
    return _function("transpose")(tensor, order)


def _log_softmax(operation: Any, tensor: Any) -> Any:
    _require(operation, isinstance(operation.axis, int), f"its axis is {operation.axis!r}, and not one axis")
    return _function("nn.log_softmax")(tensor, axis=operation.axis)


def _pooled(name: str) -> Rule:
    def pool(operation: Any, tensor: Any) -> Any:
        _require(operation, operation.data_format == "channels_last", f"its data_format is {operation.data_format}")
        strides = operation.pool_size if operation.strides is None else operation.strides
        return _function(name)(tensor, operation.pool_size, strides, operation.padding.upper())

    return Rule(pool, ("pool_size", "strides", "padding", "data_format"))


def _resize(operation: Any, tensor: Any) -> Any:
    for key, only in RESIZED.items():
        _require(operation, getattr(operation, key) == only, f"its {key} is {getattr(operation, key)!r}")
    return _function("image.resize")(tensor, operation.size, method=operation.interpolation)


def _require(operation: Any, fits: bool, why: str) -> None:
    if not fits:
        raise refusal(operation, f"{why}, which is not understood")


PLAIN_TYPES = ("float32", "int32", "int64", "uint8", "bool")
RESIZED = {"antialias": False, "crop_to_aspect_ratio": False, "pad_to_aspect_ratio": False,
           "data_format": "channels_last"}  # fmt: skip
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
    **{kind: _tf(kind.lower()) for kind in ("Sign", "Floor", "Sin", "Cos", "Greater", "Less", "Equal", "Where")},
    "Ceil": _tf("math.ceil"),
    "Reciprocal": _tf("math.reciprocal"),
    "LogSigmoid": _tf("math.log_sigmoid"),
    "GreaterEqual": _tf("greater_equal"),
    "LessEqual": _tf("less_equal"),
    "NotEqual": _tf("not_equal"),
    "LogicalAnd": _tf("logical_and"),
    "LogicalOr": _tf("logical_or"),
    "LogicalNot": _tf("logical_not"),
    "Var": _reduced("math.reduce_variance"),
    "Std": _reduced("math.reduce_std"),
    "Logsumexp": _reduced("reduce_logsumexp"),
    "Prod": Rule(_prod, ("axis", "keepdims", "dtype")),
    "Argmax": _place("argmax"),
    "Argmin": _place("argmin"),
    "Cast": Rule(_cast, ("dtype",)),
    "Split": Rule(_split, ("indices_or_sections", "axis")),
    "Repeat": Rule(_repeat, ("repeats", "axis")),
    "Flip": Rule(_flip, ("axis",)),
    "Swapaxes": Rule(_swapped, ("axis1", "axis2")),
    "LogSoftmax": Rule(_log_softmax, ("axis",)),
    "Einsum": Rule(lambda operation, *tensors: _function("einsum")(operation.subscripts, *tensors), ("subscripts",)),
    "AveragePool": _pooled("nn.avg_pool"),
    "MaxPool": _pooled("nn.max_pool"),
    "Resize": Rule(_resize, ("size", "interpolation", *RESIZED, "fill_mode", "fill_value")),
    "GetItem": Rule(lambda _, tensor, key: tensor[key]),
}
