"""Which functions of TensorFlow in a Keras 2 graph are understood, with each of their arguments; none is passed over.

Keras 2 makes a layer of `x + 1`, `tf.nn.relu(x)` or `x[:, 0]`, which knows the function by its public name. A rule here
has the function's own argument names, and computes the same of `keras.ops`, so that the result can be saved.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.errors import UnsupportedModelError
from edgecompress.keras_types import Layer
from edgecompress.tfmot.tensor_kinds import dtype_of
from edgecompress.tfmot.to_keras3 import functions
from edgecompress.tfmot.to_keras3.functions import NotUnderstood, is_tensor, ops

SHAPES = ("shape", "compat.v1.shape")
KINDS = ("TFOpLambda", "SlicingOpLambda")


@dataclass(frozen=True)
class Rule:
    """How a function is computed by Keras 3: `apply`, whose first `tensors` arguments may be tensors.

    Constants among these get the dtype of the tensor beside them if they are `alike`. `only` has arguments that are
    understood at one value, and left out.
    """

    apply: Callable[..., Any]
    tensors: int = 1
    only: Mapping[str, object] = field(default_factory=dict)
    alike: bool = True


def is_operation(layer: Layer) -> bool:
    """Return whether Keras 2 made this layer of a function of TensorFlow."""
    return type(layer).__name__ in KINDS and type(layer).__module__.startswith("tf_keras.")


def apply(layer: Layer, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Return what the function of a Keras 2 layer computes, as tensors of Keras 3.

    Raises:
        UnsupportedModelError: the function or an argument is not understood.
    """
    rule = OPERATIONS.get(layer.symbol)
    if rule is None:
        raise refusal(layer, "it is not among those that are translated")
    names = list(inspect.signature(layer.function).parameters)
    if layer.symbol == "einsum":  # whose tensors have no names of their own
        arguments, names = (list(arguments[1:]), *arguments[:1]), ["inputs", "equation"]
    given = dict(zip(names, arguments, strict=False)) | options
    first = given.pop(names[0], None)
    if len(arguments) > len(names) or first is None:
        raise refusal(layer, "its arguments are not understood")
    given = {key: value for key, value in given.items() if value is not None and key != "name"}
    parameters = list(inspect.signature(rule.apply).parameters)[1:]
    for key, value in given.items():
        if key in rule.only:
            if _plain(layer, key, value) != rule.only[key]:
                raise refusal(layer, f"its {key} is {value!r}, and only {rule.only[key]!r} is understood")
        elif key not in parameters:
            raise refusal(layer, f"its argument {key} is not understood")
    operands = [first, *(given[key] for key in parameters[: rule.tensors - 1] if key in given)]
    like = next((each for each in operands[::-1] if rule.alike and is_tensor(each)), None)
    told = {
        key: _constant(value, like) if key in parameters[: rule.tensors - 1] else _plain(layer, key, value)
        for key, value in given.items()
        if key not in rule.only
    }
    try:
        return rule.apply(_constant(first, like), **told)
    except NotUnderstood as error:
        raise refusal(layer, str(error)) from error


def refusal(layer: Layer, why: str) -> UnsupportedModelError:
    """Return the refusal of a function in a Keras 2 graph."""
    return UnsupportedModelError(
        f"The operation '{layer.name}' ({layer.symbol or type(layer).__name__}) of the Keras 2 model cannot be "
        f"translated to Keras 3: {why}.",
        hint="Write the sizes of tensors as numbers, and -1 for a free one."
        if layer.symbol in SHAPES
        else "Write it as a layer; arithmetic, activations, reductions, reshapes, slices and more are translated.",
    )


def _constant(value: Any, like: Any) -> Any:
    """Return an operand: a tensor, several, a plain number, or an array of the dtype of the tensor beside it."""
    if is_tensor(value):
        return value
    if isinstance(value, list | tuple) and any(map(is_tensor, value)):
        beside = next(filter(is_tensor, value))
        return [_constant(each, beside) for each in value]
    array = np.asarray(value)
    if not array.ndim:
        return array.item()
    return array if like is None or dtype_of(like) == "bool" else array.astype(dtype_of(like))


def _plain(layer: Layer, key: str, value: Any) -> Any:
    """Return an argument that is no operand as numbers, names, and lists of these."""
    tensorflow = load_tensorflow()
    if is_tensor(value):
        raise refusal(layer, f"its argument {key} is computed by the model")
    if isinstance(value, tensorflow.DType):
        return value.name
    if isinstance(value, tensorflow.TensorShape):
        return value.as_list()
    if isinstance(value, tensorflow.Tensor | np.ndarray | np.generic):
        return np.asarray(value).tolist()
    if isinstance(value, list | tuple):
        listed = [_plain(layer, key, each) for each in value]
        return tuple(listed) if isinstance(value, tuple) else listed
    return {name: _plain(layer, key, each) for name, each in value.items()} if isinstance(value, dict) else value


def _unary(name: str) -> Rule:
    return Rule(lambda x: ops(name)(x))


def _binary(name: str) -> Rule:
    return Rule(lambda x, y: ops(name)(x, y), tensors=2)


def _reduced(name: str) -> Rule:
    return Rule(lambda input_tensor, axis=None, keepdims=False: ops(name)(input_tensor, axis=axis, keepdims=keepdims))


SAME_NAME = (
    "exp", "log", "log1p", "expm1", "sqrt", "rsqrt", "square", "sign", "floor", "ceil", "round", "sin", "cos", "tan",
    "sinh", "cosh", "tanh", "reciprocal", "erf", "logical_not", "negative", "sigmoid", "softplus", "log_sigmoid",
)  # fmt: skip
COMPARISONS = ("greater", "greater_equal", "less", "less_equal", "logical_and", "logical_or")
OPERATIONS: dict[str, Rule] = {
    **{f"math.{name}": _unary(name) for name in SAME_NAME},
    **{f"nn.{name}": _unary(name) for name in ("relu", "relu6", "elu", "selu", "softsign")},
    "math.abs": _unary("absolute"),
    **{f"math.a{name}": _unary(f"arc{name}") for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    **{f"math.is_{name}": _unary(f"is{name}") for name in ("nan", "inf", "finite")},
    **{name: _unary(name) for name in ("ones_like", "zeros_like", "stop_gradient")},
    "identity": Rule(functions.identity),
    "__operators__.add": _binary("add"),
    **{f"math.{name}": _binary(name) for name in ("add", "subtract", "multiply", "maximum", "minimum", *COMPARISONS)},
    "math.truediv": _binary("true_divide"),
    "math.divide": _binary("true_divide"),
    "math.divide_no_nan": _binary("divide_no_nan"),
    "math.pow": _binary("power"),
    **{name: _binary("floor_divide") for name in ("compat.v1.floor_div", "math.floordiv")},
    "math.floormod": _binary("mod"),
    "math.atan2": Rule(lambda y, x: ops("arctan2")(y, x), tensors=2),
    "math.squared_difference": Rule(lambda x, y: ops("square")(ops("subtract")(x, y)), tensors=2),
    "math.equal": _binary("equal"),
    "math.not_equal": _binary("not_equal"),
    "__operators__.eq": Rule(lambda self, other: ops("equal")(self, other), tensors=2),
    "__operators__.ne": Rule(lambda self, other: ops("not_equal")(self, other), tensors=2),
    "__operators__.getitem": Rule(functions.item),
    "nn.silu": Rule(lambda features: ops("silu")(features), only={"beta": 1.0}),
    "nn.leaky_relu": Rule(lambda features, alpha=0.2: ops("leaky_relu")(features, negative_slope=alpha)),
    "nn.gelu": Rule(lambda features, approximate=False: ops("gelu")(features, approximate=approximate)),
    "nn.softmax": Rule(lambda logits, axis=-1: ops("softmax")(logits, axis=axis)),
    "nn.log_softmax": Rule(lambda logits, axis=-1: ops("log_softmax")(logits, axis=axis)),
    "nn.bias_add": Rule(functions.bias_added, tensors=2),
    "math.add_n": Rule(functions.sum_of),
    "clip_by_value": Rule(functions.clipped),
    **{
        f"math.reduce_{name}": _reduced(operation)
        for name, operation in (
            ("mean", "mean"),
            ("sum", "sum"),
            ("max", "max"),
            ("min", "min"),
            ("prod", "prod"),
            ("variance", "var"),
            ("std", "std"),
            ("logsumexp", "logsumexp"),
            ("all", "all"),
            ("any", "any"),
        )
    },
    "math.reduce_euclidean_norm": Rule(functions.norm),
    "compat.v1.norm": Rule(functions.norm, only={"ord": "euclidean"}),
    "math.l2_normalize": Rule(functions.l2_normalized),
    "math.cumsum": Rule(lambda x, axis=0: ops("cumsum")(x, axis=axis), only={"exclusive": False, "reverse": False}),
    "math.argmax": Rule(functions.place("argmax")),
    "math.argmin": Rule(functions.place("argmin")),
    "cast": Rule(functions.cast),
    "reshape": Rule(lambda tensor, shape: ops("reshape")(tensor, tuple(shape))),
    "keras.backend.batch_flatten": Rule(functions.flattened),
    **dict.fromkeys(
        ("transpose", "compat.v1.transpose"),
        Rule(lambda a, perm=None: ops("transpose")(a, perm), only={"conjugate": False}),
    ),
    "linalg.matrix_transpose": Rule(lambda a: ops("swapaxes")(a, -2, -1), only={"conjugate": False}),
    "expand_dims": Rule(lambda input, axis: ops("expand_dims")(input, axis)),
    **dict.fromkeys(
        ("squeeze", "compat.v1.squeeze"),
        Rule(lambda input, axis=None: ops("squeeze")(input, tuple(axis) if isinstance(axis, list) else axis)),
    ),
    "concat": Rule(lambda values, axis: ops("concatenate")(values, axis)),
    "stack": Rule(lambda values, axis=0: ops("stack")(values, axis)),
    "unstack": Rule(lambda value, num=None, axis=0: ops("unstack")(value, num, axis)),
    "split": Rule(functions.split),
    "tile": Rule(lambda input, multiples: ops("tile")(input, multiples)),
    "broadcast_to": Rule(lambda input, shape: ops("broadcast_to")(input, tuple(shape))),
    **dict.fromkeys(("pad", "compat.v1.pad"), Rule(functions.padded)),
    "where": Rule(lambda condition, x, y: ops("where")(condition, x, y), tensors=3),
    "linalg.matmul": Rule(
        functions.matmul,
        tensors=2,
        only=dict.fromkeys(("adjoint_a", "adjoint_b", "a_is_sparse", "b_is_sparse", "grad_a", "grad_b"), False),
    ),
    "einsum": Rule(lambda inputs, equation: ops("einsum")(equation, *inputs)),
    "tensordot": Rule(lambda a, b, axes: ops("tensordot")(a, b, axes), tensors=2),
    **dict.fromkeys(
        ("gather", "compat.v1.gather"), Rule(functions.gathered, tensors=2, only={"batch_dims": 0}, alike=False)
    ),
    "one_hot": Rule(lambda indices, depth, axis=-1: ops("one_hot")(indices, depth, axis=axis)),
    "slice": Rule(functions.part),
    "reverse": Rule(functions.flipped),
    "repeat": Rule(functions.repeated),
    "roll": Rule(lambda input, shift, axis: ops("roll")(input, shift, axis)),
    "image.resize": Rule(functions.resized, only={"preserve_aspect_ratio": False}),
    **dict.fromkeys(("nn.avg_pool", "nn.avg_pool2d", "compat.v1.nn.avg_pool"), Rule(functions.pooled("average_pool"))),
    **dict.fromkeys(("nn.max_pool", "nn.max_pool2d", "compat.v1.nn.max_pool"), Rule(functions.pooled("max_pool"))),
    "nn.depth_to_space": Rule(functions.blocks("depth_to_space")),
    "nn.space_to_depth": Rule(functions.blocks("space_to_depth")),
}
