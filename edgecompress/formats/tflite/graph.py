"""The values of a `.tflite` file: tensors, operators and the graph they form; no flatbuffer, no runtime."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from edgecompress.errors import UnsupportedModelError
from edgecompress.formats.tflite.sparse import Sparsity, densify
from edgecompress.values import QuantScheme, TensorSpec

# Bits of one stored element; types that are not here (string, resource, variant) have no fixed size.
BITS = {
    "float64": 64, "float32": 32, "float16": 16, "bfloat16": 16, "float8_e4m3fn": 8, "float8_e5m2": 8,
    "int64": 64, "int32": 32, "int16": 16, "int8": 8, "int4": 4, "int2": 2,
    "uint64": 64, "uint32": 32, "uint16": 16, "uint8": 8, "uint4": 4, "bool": 8, "complex64": 64, "complex128": 128,
}  # fmt: skip
_PACKED = {"int4", "int2", "uint4"}  # several elements share a byte
WITHOUT_NUMPY_TYPE = {*_PACKED, "bfloat16", "float8_e4m3fn", "float8_e5m2"}


def integer_range(dtype: str) -> tuple[int, int]:
    """The least and the greatest value of an integer type of any width; that of int64 for types that are none."""
    signed, unsigned = dtype.startswith("int"), dtype.startswith("uint")
    bits = BITS[dtype] if signed or unsigned else 64
    return (0, (1 << bits) - 1) if unsigned else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor of the graph; a constant where `data` is not None."""

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]  # the shape with -1 where it is free
    dtype: str  # NumPy's name, or one of the further keys of `BITS`, or "string", "resource", "variant"
    quant: QuantScheme | None = None
    data: np.ndarray | None = None  # read-only and flat, as stored; bytes where NumPy has no such type
    sparsity: Sparsity | None = None  # then `data` holds the stored elements only
    is_variable: bool = False

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def spec(self) -> TensorSpec:
        """What a caller of the model must know of it."""
        return TensorSpec(self.name, self.shape_signature, self.dtype, self.quant)

    def __str__(self) -> str:
        return f"tensor {self.index} '{self.name}'"

    def dense(self) -> np.ndarray:
        """Return the constant in its shape, with int4 and int2 unpacked to int8 and sparse elements in their places.

        Raises:
            UnsupportedModelError: the tensor is no constant, or NumPy has no type for its elements.
            ModelFileError: the sparse structure is damaged.
        """
        if self.data is None:
            raise UnsupportedModelError(f"{self} is computed by the model where a constant is needed.")
        if self.dtype in _PACKED:
            return _unpack(self.data, self.dtype, self.size).reshape(self.shape)
        if self.dtype in WITHOUT_NUMPY_TYPE or self.dtype not in BITS:
            raise UnsupportedModelError(f"{self} is a constant of {self.dtype}, a type that NumPy does not have.")
        if self.sparsity:
            return densify(self.data, self.shape, self.sparsity)
        return self.data.reshape(self.shape)


def _unpack(data: np.ndarray, dtype: str, count: int) -> np.ndarray:
    """Unpack elements that share bytes, the lowest bits first."""
    bits = BITS[dtype]
    fields = ((data[:, None] >> np.arange(0, 8, bits, dtype=np.uint8)) & ((1 << bits) - 1)).reshape(-1)[:count]
    if dtype.startswith("uint"):
        return fields
    sign = 1 << (bits - 1)
    return (fields ^ sign).astype(np.int8) - np.int8(sign)


@dataclass(frozen=True)
class Operator:
    """One operator; its tensors by index, -1 for an optional one that is left out."""

    index: int
    kind: str  # such as "CONV_2D"; "CUSTOM" with a `custom_code`
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)  # by the schema's names; enumerations as their names
    custom_code: str = ""
    version: int = 1


@dataclass(frozen=True)
class Signature:
    """The names by which an application calls the graph's inputs and outputs, with the tensors' indices."""

    key: str
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True)
class Graph:
    """A model: operators in an order in which each finds its inputs computed."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    description: str = ""
    metadata: dict[str, bytes] = field(default_factory=dict)
    signatures: tuple[Signature, ...] = ()
    name: str = ""

    @cached_property
    def producers(self) -> dict[int, Operator]:
        """The operator that computes a tensor, by the tensor's index."""
        return {output: operator for operator in self.operators for output in operator.outputs}

    def stored_constant(self, index: int) -> Tensor | None:
        """The constant behind a tensor: itself, or what DENSIFY and DEQUANTIZE unfold; None if it is computed."""
        while (tensor := self.tensors[index]).data is None:
            producer = self.producers.get(index)
            if producer is None or producer.kind not in {"DENSIFY", "DEQUANTIZE"}:
                return None
            index = producer.inputs[0]
        return tensor


def problems_of_order(graph: Graph) -> Iterator[str]:
    """Where a tensor has not one source, or has it after it is used."""
    ready = {tensor.index for tensor in graph.tensors if tensor.data is not None}
    for index in graph.inputs:
        if index in ready:
            yield f"The input {graph.tensors[index]} has its value already."
        ready.add(index)
    ready.update(tensor.index for tensor in graph.tensors if tensor.is_variable)
    for operator in graph.operators:
        where = f"operator {operator.index} {operator.kind}"
        for index in operator.inputs:
            if (
                index >= 0 and index not in ready and graph.tensors[index].size
            ):  # what is empty has no value to wait for
                yield f"{where} reads {graph.tensors[index]}, which nothing has computed before."
        for index in operator.outputs:
            if index in ready:
                yield f"{where} computes {graph.tensors[index]}, which has its value already."
        ready.update(operator.outputs)
    for index in graph.outputs:
        if index not in ready:
            yield f"Nothing computes the output {graph.tensors[index]}."
