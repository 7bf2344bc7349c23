"""What is known of the values of an ONNX graph, by name: constants however disguised, shapes, quantization."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass
from math import isfinite

import numpy as np
from onnx import NodeProto

from edgecompress.formats.onnx.operators import Operator, Shape, attribute
from edgecompress.formats.onnx.tensors import StoredTensor
from edgecompress.values import QuantScheme

_LAYOUT = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"}  # the elements stay what they are
_CASTS = {"Cast", "QuantizeLinear", "DynamicQuantizeLinear"}  # kernels are stored before these, too
_MAX_CODE_BITS = 16  # integers with more bits, unless they are dequantized, are indices and shapes
_MAX_SCALES = 1 << 16  # of one value


@dataclass(frozen=True)
class Constant:
    """A stored tensor as a node sees it."""

    tensor: StoredTensor
    is_dequantized: bool = False
    zero_point: StoredTensor | None = None
    axis: int = 0  # that several zero points run along

    @property
    def is_real(self) -> bool:
        """Whether the node sees real numbers."""
        return self.tensor.is_floating or (self.is_dequantized and self.tensor.bits > 0)

    @property
    def may_be_kernel(self) -> bool:
        """Whether the elements are real numbers or their codes."""
        return self.is_real or 0 < self.tensor.bits <= _MAX_CODE_BITS

    def dequantized(self, zero_point: Constant | None, axis: int) -> Constant:
        """The real numbers that stand for the codes; what is stored as real numbers has no zero point."""
        found = None if zero_point is None or self.tensor.is_floating else zero_point.tensor
        return Constant(self.tensor, True, found, axis)

    def zeros(self) -> int:
        """Count the elements that are exactly zero, or at their zero point."""
        if self.zero_point is None or not self.zero_point.is_plain:
            return self.tensor.zeros()
        return self.tensor.zeros(self.zero_point.array(), axis=self.axis)


class Values:
    """Knowledge about the values of one graph, and of the graphs around it."""

    def __init__(self) -> None:
        self.constants: ChainMap[str, Constant] = ChainMap()
        self.shapes: ChainMap[str, Shape] = ChainMap()
        self._schemes: dict[str, QuantScheme] = {}
        self._origins: dict[str, str] = {}  # of a value in another layout: the value that it was

    def inner(self) -> Values:
        """The values of a graph within this one; what it adds is not seen here."""
        inner = Values()
        inner.constants, inner.shapes = self.constants.new_child(), self.shapes.new_child()
        return inner

    def constant(self, node: NodeProto, position: int) -> Constant | None:
        """The constant that a node reads there; None if it is computed or left out."""
        return self.constants.get(node.input[position]) if position < len(node.input) else None

    def shape(self, node: NodeProto, position: int) -> Shape | None:
        """The shape of an input, if it is known."""
        return self.shapes.get(node.input[position]) if position < len(node.input) else None

    def scheme(self, name: str) -> QuantScheme | None:
        """At which scale the codes of a value were written, or else are read."""
        if (quant := self._schemes.get(name)) is not None:
            return quant
        origin = self._schemes.get(self._origins.get(name, ""))
        return origin if origin is not None and origin.axis is None else None

    def learn(self, node: NodeProto, kind: str, operator: Operator) -> None:
        """Know a constant, or codes with a scale, again behind a node that only changes their form."""
        if not node.input or not node.output:
            return
        source, target = node.input[0], node.output[0]
        if kind in _LAYOUT:
            self._origins[target] = self._origins.get(source, source)
        constant = self.constants.get(source)
        if constant is not None and kind == "DequantizeLinear":
            self.constants[target] = constant.dequantized(self.constant(node, 2), attribute(node, "axis", 1))
        elif constant is not None and (kind in _CASTS or kind in _LAYOUT):
            self.constants[target] = constant
        if operator.reads_codes and constant is None and (quant := self._quant(node, *operator.reads_codes)):
            self._schemes.setdefault(source, quant)
            if quant.axis is None:
                self._schemes.setdefault(self._origins.get(source, source), quant)
        if operator.writes_codes and (quant := self._quant(node, *operator.writes_codes)):
            self._schemes[target] = quant

    def _quant(self, node: NodeProto, scale: int, zero_point: int) -> QuantScheme | None:
        """The scheme in two inputs of a node; None if they are computed, or do not belong together."""
        stored, zero = self.constant(node, scale), self.constant(node, zero_point)
        if stored is None or not (stored.is_real and stored.tensor.is_plain and 0 < stored.tensor.size <= _MAX_SCALES):
            return None
        scales = tuple(stored.tensor.array().astype(np.float64).ravel().tolist())
        codes = (0,) * len(scales)
        if zero is not None and zero.tensor.is_plain and zero.tensor.size == len(scales):
            codes = tuple(zero.tensor.array().astype(np.int64).ravel().tolist())
        elif zero is not None:
            return None
        if not all(isfinite(each) and each > 0 for each in scales):
            return None
        return QuantScheme(scales, codes, attribute(node, "axis", 1) if len(scales) > 1 else None)
