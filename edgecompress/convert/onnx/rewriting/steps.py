"""Which nodes of an ONNX graph are steps of a chain: what they do to each channel by itself, and only that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecompress.convert.onnx.rewriting.editor import Editor, Node
from edgecompress.numerics.channel_chain import Step, channel_step

_FUNCTIONS: dict[str, np.ufunc] = {
    "Mul": np.multiply, "Add": np.add, "Sub": np.subtract, "Div": np.divide, "Max": np.maximum, "Min": np.minimum,
}  # fmt: skip


@dataclass(frozen=True)
class Channels:
    """How the channels of a value lie: how many, along which of how many axes."""

    count: int
    rank: int
    axis: int = 1

    def turned(self, transpose: Node) -> Channels | None:
        """How they lie behind a Transpose; None where its order is not of so many axes."""
        order = transpose.attribute("perm", list(range(self.rank))[::-1])
        if sorted(order) != list(range(self.rank)):
            return None
        return Channels(self.count, self.rank, order.index(self.axis))


def steps_of(editor: Editor, node: Node, value: str, channels: Channels) -> tuple[Step, ...]:
    """Return what a node does to a value that it reads; nothing where it is no step.

    Which operand the constant is and how it is broadcast is looked at; a value that is read twice is no step.
    """
    if len(node.proto.output) > 1 or not node.inputs or node.inputs.count(value) != 1:
        return ()
    if node.kind == "BatchNormalization":
        return _normalization(editor, node, value, channels)
    if node.kind == "Relu":
        return _step(np.maximum, np.zeros((), np.float32), channels)
    if node.kind == "Neg":
        return _step(np.multiply, -np.ones((), np.float32), channels)
    if node.kind == "Clip" and node.inputs[0] == value:
        return _bounds(editor, node, channels)
    if node.kind not in _FUNCTIONS or len(node.inputs) != 2:
        return ()
    swapped = node.inputs[1] == value
    return _step(_FUNCTIONS[node.kind], editor.constant(node.inputs[0 if swapped else 1]), channels, swapped=swapped)


def _step(
    function: np.ufunc, constant: np.ndarray | None, channels: Channels, *, swapped: bool = False
) -> tuple[Step, ...]:
    step = channel_step(
        function, constant, rank=channels.rank, axis=channels.axis, channels=channels.count, swapped=swapped
    )
    return () if step is None else (step,)


def _bounds(editor: Editor, node: Node, channels: Channels) -> tuple[Step, ...]:
    """Of a Clip: first the lower bound, then the upper, each of which may be left out."""
    steps: tuple[Step, ...] = ()
    for function, bound in zip((np.maximum, np.minimum), node.inputs[1:], strict=False):
        constant = editor.constant(bound) if bound else None
        if not bound:
            continue
        if constant is None or constant.ndim or not (step := _step(function, constant, channels)):
            return ()
        steps += step
    return steps


def _normalization(editor: Editor, node: Node, value: str, channels: Channels) -> tuple[Step, ...]:
    """Of a batch norm at inference: `x factor + shift`, with factor = gamma / sqrt(variance + epsilon)."""
    constants = [editor.constant(each) for each in node.inputs[1:5]]
    if node.inputs[0] != value or channels.axis != 1 or node.attribute("training_mode", 0) or len(constants) != 4:
        return ()
    if any(each is None or each.shape != (channels.count,) or each.dtype != np.float32 for each in constants):
        return ()
    gamma, beta, mean, variance = (each.astype(np.float64) for each in constants if each is not None)
    with np.errstate(all="ignore"):  # what is not finite is no step
        factor = gamma / np.sqrt(variance + node.attribute("epsilon", 1e-5))
        pair = factor.astype(np.float32), (beta - mean * factor).astype(np.float32)
    shape = (-1, *[1] * (channels.rank - 2))
    product, total = (
        _step(function, operand.reshape(shape), channels)
        for function, operand in zip((np.multiply, np.add), pair, strict=True)
    )
    return (*product, *total) if product and total else ()
