"""Which values of an ONNX graph depend on the signs of others alone, and which nodes have kernels of +-alpha.

There are many ways to write a sign: Where of a comparison, Casts of it times 1 and -1 and added, Sign twice with a
shift between. All are functions of the sign of x, which three numbers tell: their values for x > 0, x = 0 and x < 0.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from onnx import TensorProto

from edgecompress.convert.onnx.rewriting.editor import Editor, Node
from edgecompress.convert.tflite.binary.matching import DENSE, Signs, split_kernel

KINDS = ("Conv", "MatMul", "Gemm")
SIGN = (1.0, 1.0, -1.0)
_THREE_SIGNS = (1.0, 0.0, -1.0)
_LOOKALIKES = {_THREE_SIGNS: "0", (1.0, -1.0, -1.0): "-1"}  # of the sign, and what they are for x = 0
_BINARY: dict[str, Callable[[float, float], float]] = {
    "GreaterOrEqual": operator.ge, "Greater": operator.gt, "Less": operator.lt, "LessOrEqual": operator.le,
    "Equal": operator.eq, "Add": operator.add, "Sub": operator.sub, "Mul": operator.mul,
    "Or": lambda a, b: bool(a or b), "And": lambda a, b: bool(a and b),
}  # fmt: skip
_COMPARISONS = ("GreaterOrEqual", "Greater", "Less", "LessOrEqual", "Equal")
_UNARY: dict[str, Callable[[float], float]] = {"Not": operator.not_, "Neg": operator.neg, "Sign": np.sign}
_CASTS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64}  # keep what is whole
_NUMBERS = ("float32", "float64", "int32", "int64", "bool")  # small ones wrap around
_LAYOUT = ("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity")
_MAX_STEPS = 16
_MAX_ELEMENTS = 1 << 24  # of a constant that holds one number
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Padding:
    """What is added around a value, before and behind each axis."""

    befores: tuple[int, ...]
    afters: tuple[int, ...]
    value: float


@dataclass(frozen=True)
class SignFunction:
    """A value that is f(layout(x)), padded: f by its values for x > 0, x = 0, x < 0; layout a chain of nodes."""

    source: str
    values: Triple
    steps: tuple[Node, ...] = ()
    padding: Padding | None = None

    @property
    def lookalike(self) -> str:
        """What this is for x = 0 where it is no sign, but nearly one; "" otherwise."""
        return _LOOKALIKES.get(self.values, "")


@dataclass(frozen=True, eq=False)
class Layer:
    """A node with a binary kernel; `kernel` has the filters along axis 0, and of a matrix O x I."""

    node: Node
    kernel: Signs
    inputs: SignFunction | None  # None where they are real


def binary_layers(editor: Editor) -> list[Layer]:
    """Return every node whose kernel holds, filter by filter, one magnitude with either sign."""
    functions = _sign_functions(editor)
    return [
        Layer(node, kernel, _from_further(editor, functions.get(node.inputs[0])))
        for node in editor.nodes
        if (kernel := binary_kernel(editor, node)) is not None
    ]


def binary_kernel(editor: Editor, node: Node) -> Signs | None:
    """Return the kernel of a node as signs and scales, or None where it has none, or no binary one."""
    if node.kind not in KINDS or len(node.inputs) < 2:
        return None
    kernel = editor.constant(node.inputs[1])
    if kernel is None or kernel.ndim < 2 or (node.kind != "Conv" and kernel.ndim != 2):
        return None
    return split_kernel(kernel if keeps_filters_first(node) else kernel.T, DENSE)


def keeps_filters_first(node: Node) -> bool:
    """Whether axis 0 of a node's kernel are its filters."""
    return node.kind == "Conv" or (node.kind == "Gemm" and node.attribute("transB", 0) != 0)


def _sign_functions(editor: Editor) -> dict[str, SignFunction]:
    """Return the values that are functions of signs; nodes stand behind those that they read."""
    found: dict[str, SignFunction] = {}
    for node in editor.nodes:
        function = _function(editor, node, found)
        if function is not None:
            found[node.output] = function
    return found


def _from_further(editor: Editor, function: SignFunction | None) -> SignFunction | None:
    """The same function, of what stands before a layout, which joins the steps, or before a Clip that keeps signs."""
    while function is not None and len(function.steps) < _MAX_STEPS:
        before = editor.producer(function.source)
        if before is not None and before.kind in _LAYOUT:
            function = replace(function, source=before.inputs[0], steps=(before, *function.steps))
        elif before is not None and before.kind == "Clip" and _keeps_signs(editor, before):
            function = replace(function, source=before.inputs[0])
        else:
            break
    return function


def _keeps_signs(editor: Editor, clip: Node) -> bool:
    """Whether what is clipped has the signs that it had before, as behind the hard tanh."""
    least, greatest = ([editor.constant(value) for value in clip.inputs[at : at + 1] if value] for at in (1, 2))
    below = all(bound is not None and bool((bound < 0).all()) for bound in least)
    return below and all(bound is not None and bool((bound >= 0).all()) for bound in greatest)


def _function(editor: Editor, node: Node, found: dict[str, SignFunction]) -> SignFunction | None:
    inputs = [found.get(value) for value in node.inputs]
    if node.kind in _BINARY and len(inputs) == 2:
        return _combined(editor, node, inputs) if any(inputs) else _comparison(editor, node)
    first = inputs[0] if inputs else None
    if first is None:
        return SignFunction(node.inputs[0], _THREE_SIGNS) if node.kind == "Sign" else None
    if node.kind in _LAYOUT or node.kind == "MaxPool":
        return _moved(node, first)
    if node.kind == "Pad":
        return _padded(editor, node, first)
    if first.padding is not None:
        return None
    if node.kind in _UNARY:
        return _changed(first, _UNARY[node.kind])
    if node.kind == "Cast":
        return _cast(node, first)
    return _chosen(editor, node, first) if node.kind == "Where" and len(inputs) == 3 else None


def _comparison(editor: Editor, node: Node) -> SignFunction | None:
    """Of a value with 0, from the left or the right."""
    compare = _BINARY[node.kind]
    left, right = node.inputs
    if node.kind in _COMPARISONS and _scalar(editor, right, left) == 0:
        return _changed(SignFunction(left, _THREE_SIGNS), lambda x: compare(x, 0))
    if node.kind in _COMPARISONS and _scalar(editor, left, right) == 0:
        return _changed(SignFunction(right, _THREE_SIGNS), lambda x: compare(0, x))
    return None


def _cast(node: Node, function: SignFunction) -> SignFunction | None:
    to = node.attribute("to", 0)
    if to == TensorProto.BOOL:
        return _changed(function, bool)
    return function if to in _CASTS and all(float(value).is_integer() for value in function.values) else None


def _moved(node: Node, function: SignFunction) -> SignFunction | None:
    """A layout of f(x) is f of that layout; so is the greatest, where f never falls."""
    if len(function.steps) >= _MAX_STEPS:
        return None
    padding = function.padding
    if node.kind == "MaxPool":
        above, middle, below = function.values
        if padding is not None or len(node.proto.output) > 1 or not above >= middle >= below:
            return None
    if padding is not None and node.kind != "Identity":
        order = node.attribute("perm", list(range(len(padding.befores)))[::-1])
        if node.kind != "Transpose" or sorted(order) != list(range(len(padding.befores))):
            return None
        befores, afters = (tuple(side[axis] for axis in order) for side in (padding.befores, padding.afters))
        padding = Padding(befores, afters, padding.value)
    return replace(function, steps=(*function.steps, node), padding=padding)


def _padded(editor: Editor, node: Node, function: SignFunction) -> SignFunction | None:
    amounts = editor.constant(node.inputs[1]) if len(node.inputs) > 1 else None
    value = _scalar(editor, node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else 0.0
    if function.padding is not None or amounts is None or value is None or any(node.inputs[3:]):
        return None
    if node.attribute("mode", "constant") != "constant" or amounts.ndim != 1 or amounts.size % 2 or (amounts < 0).any():
        return None
    half = amounts.size // 2
    padding = Padding(tuple(amounts[:half].tolist()), tuple(amounts[half:].tolist()), value)
    return replace(function, padding=padding)


def _chosen(editor: Editor, node: Node, condition: SignFunction) -> SignFunction | None:
    yes, no = (_scalar(editor, value, node.inputs[0]) for value in node.inputs[1:])
    if yes is None or no is None:
        return None
    return _changed(condition, lambda chosen: yes if chosen else no)


def _combined(editor: Editor, node: Node, inputs: list[SignFunction | None]) -> SignFunction | None:
    """Of two functions of the same signs, or of one and a constant."""
    known = next(each for each in inputs if each is not None)
    triples = list[Triple]()
    for value, other, function in zip(node.inputs, node.inputs[::-1], inputs, strict=True):
        if function is None:
            constant = _scalar(editor, value, other)
            if constant is None:
                return None
            triples.append((constant,) * 3)
        elif (function.source, function.steps, function.padding) == (known.source, known.steps, None):
            triples.append(function.values)
        else:
            return None
    above, middle, below = (float(_BINARY[node.kind](*pair)) for pair in zip(*triples, strict=True))
    return None if known.padding is not None else replace(known, values=(above, middle, below))


def _changed(function: SignFunction, change: Callable[[float], float]) -> SignFunction:
    above, middle, below = function.values
    return replace(function, values=(float(change(above)), float(change(middle)), float(change(below))))


def _scalar(editor: Editor, value: str, other: str = "") -> float | None:
    """The one number that a constant holds, if it leaves the shape of the `other` operand as it is."""
    constant = editor.constant(value)
    if constant is None or not 0 < constant.size <= _MAX_ELEMENTS or constant.dtype.name not in _NUMBERS:
        return None
    if constant.ndim and other:
        shape = editor.shapes.get(other, ())
        missing = len(shape) - constant.ndim
        if missing < 0 or any(
            own not in (1, length) for own, length in zip(constant.shape, shape[missing:], strict=True)
        ):
            return None
    number = constant.reshape(-1)[0]
    return float(number) if (constant == number).all() else None
