"""Reads a `.tflite` file into plain values, believing nothing that it says about its own sizes.

Every length that it reports is paid for out of a budget proportional to the file before anything of that length is
touched.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edgecompress.errors import EdgeCompressError, ModelFileError, UnsupportedModelError
from edgecompress.formats.tflite.graph import (
    BITS,
    WITHOUT_NUMPY_TYPE,
    Graph,
    Operator,
    Signature,
    Tensor,
    problems_of_order,
)
from edgecompress.formats.tflite.options import read_custom_options, read_options
from edgecompress.formats.tflite.quantization import read_quantization
from edgecompress.formats.tflite.sparse import read_sparsity
from edgecompress.formats.tflite.tables import DAMAGE, IDENTIFIER, MAX_RANK, Budget, dtypes, names_of, opened, place_of

_MAX_EXPANSION = 100  # dense bytes of constants for each byte of the file: they may be sparse, or share their bytes
CONTROL_FLOW = {"CALL", "CALL_ONCE", "IF", "WHILE", "STABLEHLO_WHILE", "STABLEHLO_COMPOSITE"}
_MAX_DOUBTS = 100
T = TypeVar("T")


def read_graph(path: str | Path) -> Graph:
    """Read a `.tflite` file; see `parse_graph`."""
    path = Path(path)
    return parse_graph(read_content(path), name=path.name)


def read_content(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        ModelFileError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"Cannot read the model {path}: {error.strerror or error}.") from error


def parse_graph(content: bytes, *, name: str = "model.tflite") -> Graph:
    """Read the bytes of a `.tflite` file; constants are read-only views of `content`.

    Raises:
        ModelFileError: no TFLite file, cut short, or its parts contradict each other; says which part.
        UnsupportedModelError: several subgraphs, control flow, or block-wise quantization.
    """
    return _read(content, name, lambda: _parsed(content))


def describe_graphs(content: bytes, *, name: str = "model.tflite") -> tuple[tuple[Graph, ...], tuple[str, ...]]:
    """Read all subgraphs of a `.tflite` file, the main one first, and what is odd about it, to tell what is in it.

    Nothing may be computed from these graphs: what `parse_graph` refuses although the format allows it is here, too,
    with a sentence each, and quantization that is not understood is left out.

    Raises:
        ModelFileError: as `parse_graph` does.
    """
    doubts: list[str] = []

    def note(error: EdgeCompressError) -> None:
        if len(doubts) < _MAX_DOUBTS:
            doubts.append(error.message)

    graphs = _read(content, name, lambda: _Reader(content, doubt=note).graphs())
    return graphs, tuple(doubts)


@lru_cache(maxsize=2)  # what was emitted is checked, listed and compared in turn
def _parsed(content: bytes) -> Graph:
    return _Reader(content).graph()


def _read(content: bytes, name: str, read: Callable[[], T]) -> T:
    if len(content) < 8 or content[4:8] != IDENTIFIER:
        raise ModelFileError(
            f"{name} is not a TFLite file: 'TFL3' is expected at byte 4, found {content[4:8]!r}.",
            hint="Is it complete, and of the right format?",
        )
    try:
        return read()
    except DAMAGE as error:
        raise ModelFileError(
            f"{name} is damaged: an offset in it points outside of its {len(content)} bytes ({error}).",
            hint="Fetch or convert it again.",
        ) from error
    except ModelFileError as error:
        raise ModelFileError(f"{name}: {error.message}", hint=error.hint or "Fetch or convert it again.") from error
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{name}: {error.message}", hint=error.hint) from error


def _refuse(error: EdgeCompressError) -> None:
    raise error


class _Reader:
    """`doubt` gets the errors of what is odd, but legal; without one they are raised."""

    def __init__(self, content: bytes, *, doubt: Callable[[EdgeCompressError], None] = _refuse) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.budget = Budget(len(content), doubt)
        self.schema = schema
        self.content = content
        self.dense_budget = _MAX_EXPANSION * len(content)
        self.model = opened(content)
        self.kinds = names_of(schema.BuiltinOperator)
        self.dtypes = dtypes()

    def graph(self) -> Graph:
        subgraphs = self.model.SubgraphsLength()
        if subgraphs != 1:
            if subgraphs == 0:
                raise ModelFileError("it holds no subgraph.")
            raise UnsupportedModelError(
                f"it holds {subgraphs} subgraphs; models of one subgraph, without control flow, are supported.",
                hint="Convert one signature without loops and conditions.",
            )
        return self._subgraph(0)

    def graphs(self) -> tuple[Graph, ...]:
        """All subgraphs."""
        count = self.model.SubgraphsLength()
        if count == 0:
            raise ModelFileError("it holds no subgraph.")
        return tuple(self._subgraph(index) for index, _ in self.budget.tables("subgraphs", count, self.model.Subgraphs))

    def _subgraph(self, position: int) -> Graph:
        subgraph = self.model.Subgraphs(position)
        tensors = tuple(
            self._tensor(index, table)
            for index, table in self.budget.tables("tensors", subgraph.TensorsLength(), subgraph.Tensors)
        )
        operators = tuple(
            self._operator(index, table, len(tensors))
            for index, table in self.budget.tables("operators", subgraph.OperatorsLength(), subgraph.Operators)
        )
        graph = Graph(
            inputs=self._indices(subgraph, "Inputs", len(tensors), "the graph's inputs"),
            outputs=self._indices(subgraph, "Outputs", len(tensors), "the graph's outputs"),
            tensors=tensors,
            operators=operators,
            description=self.budget.text(self.model.Description()),
            metadata=self._metadata() if position == 0 else {},
            signatures=self._signatures(position, len(tensors)),
            name=self.budget.text(subgraph.Name()),
        )
        for problem in problems_of_order(graph):
            self.budget.doubt(ModelFileError(problem))
        return graph

    def _indices(self, table: Any, field: str, count: int, what: str, *, lowest: int = 0) -> tuple[int, ...]:
        indices = self.budget.vector(table, field, what)
        for index in indices:
            if not lowest <= index < count:
                raise ModelFileError(f"{what}: tensor {index} is named where there are {count}.")
        return tuple(indices)

    def _tensor(self, index: int, table: Any) -> Tensor:
        name = self.budget.text(table.Name())
        where = f"tensor {index} '{name}'"
        shape = tuple(self.budget.vector(table, "Shape", where))
        signature = tuple(self.budget.vector(table, "ShapeSignature", where)) or shape
        if len(shape) > MAX_RANK or min(shape, default=1) < 0:
            raise ModelFileError(f"{where}: its shape is {list(shape)[: MAX_RANK + 1]}.")
        if len(signature) != len(shape) or any(s not in {n, -1} for s, n in zip(signature, shape, strict=True)):
            self.budget.doubt(ModelFileError(f"{where}: its shape is {shape} and its shape signature {signature}."))
            signature = shape
        if (dtype := self.dtypes.get(table.Type())) is None:
            self.budget.doubt(ModelFileError(f"{where}: its type has the unknown code {table.Type()}."))
            dtype = f"type {table.Type()}"
        tensor = Tensor(
            index=index,
            name=name,
            shape=shape,
            shape_signature=signature,
            dtype=dtype,
            quant=read_quantization(self.budget, table.Quantization(), shape, dtype, where),
            sparsity=read_sparsity(self.budget, table.Sparsity(), shape, where),
            is_variable=table.IsVariable(),
        )
        raw = self._buffer(table.Buffer(), where)
        if raw is None or raw.size == 0:  # an empty buffer is how the format says "computed"
            return tensor
        return dataclasses.replace(tensor, data=self._constant(tensor, raw))

    def _constant(self, tensor: Tensor, raw: np.ndarray) -> np.ndarray:
        bits = BITS.get(tensor.dtype)
        if bits is None:
            return raw
        needed, shape = (tensor.size * bits + 7) // 8, "x".join(map(str, tensor.shape)) or "()"
        if tensor.sparsity is None and raw.size != needed:
            raise ModelFileError(f"{tensor}: {raw.size} bytes where shape {shape} of {tensor.dtype} needs {needed}.")
        self.dense_budget -= needed
        if self.dense_budget < 0:
            raise ModelFileError(f"{tensor}: the constants up to this one of shape {shape} are too large for the file.")
        return raw if tensor.dtype in WITHOUT_NUMPY_TYPE else raw.view(tensor.dtype)

    def _buffer(self, index: int, where: str) -> np.ndarray | None:
        """The bytes of a buffer: a view of the file, inside of the flatbuffer or, in large files, behind it."""
        count = self.model.BuffersLength()
        if index >= count:
            raise ModelFileError(f"{where}: buffer {index} is named where there are {count}.")
        place = place_of(self.model.Buffers(index))
        if place is None:
            return None
        start, size = place
        if start + size > len(self.content):
            raise ModelFileError(
                f"{where}: its buffer is bytes {start} to {start + size} of a file of {len(self.content)}."
            )
        return np.frombuffer(self.content, np.uint8, size, start)

    def _operator(self, index: int, table: Any, tensors: int) -> Operator:
        where = f"operator {index}"
        opcode, known = table.OpcodeIndex(), self.model.OperatorCodesLength()
        if opcode >= known:
            raise ModelFileError(f"{where}: operator code {opcode} is named where there are {known}.")
        code = self.model.OperatorCodes(opcode)
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # the latter, one byte, came first
        if (kind := self.kinds.get(number)) is None:
            self.budget.doubt(ModelFileError(f"{where}: its kind has the unknown code {number}."))
            kind = f"BUILTIN_{number}"
        if kind in CONTROL_FLOW:
            self.budget.doubt(UnsupportedModelError(f"{where} is {kind}; models without control flow are supported."))
        where, custom_code = f"{where} {kind}", self.budget.text(code.CustomCode())
        try:
            options = (
                read_custom_options(self.schema, custom_code, table, where)
                if kind == "CUSTOM"
                else read_options(self.schema, kind, table, where)
            )
        except ModelFileError as error:
            self.budget.doubt(error)
            options = {}
        return Operator(
            index=index,
            kind=kind,
            inputs=self._indices(table, "Inputs", tensors, where, lowest=-1),
            outputs=self._indices(table, "Outputs", tensors, where),
            options=options,
            custom_code=custom_code,
            version=code.Version(),
        )

    def _metadata(self) -> dict[str, bytes]:
        entries = {}
        for _, entry in self.budget.tables("metadata entries", self.model.MetadataLength(), self.model.Metadata):
            name = self.budget.text(entry.Name())
            raw = self._buffer(entry.Buffer(), f"metadata '{name}'")
            self.budget.spend(0 if raw is None else raw.size, f"metadata '{name}'")
            entries[name] = b"" if raw is None else raw.tobytes()
        return entries

    def _signatures(self, subgraph: int, tensors: int) -> tuple[Signature, ...]:
        """Those that call a subgraph of so many tensors."""

        def names(what: str, count: int, fetch: Callable[[int], Any]) -> dict[str, int]:
            entries = {self.budget.text(e.Name()): e.TensorIndex() for _, e in self.budget.tables(what, count, fetch)}
            for name, index in entries.items():
                if index >= tensors:
                    raise ModelFileError(f"{what} '{name}': tensor {index} is named where there are {tensors}.")
            return entries

        return tuple(
            Signature(
                key=self.budget.text(table.SignatureKey()),
                inputs=names("signature inputs", table.InputsLength(), table.Inputs),
                outputs=names("signature outputs", table.OutputsLength(), table.Outputs),
            )
            for _, table in self.budget.tables("signatures", self.model.SignatureDefsLength(), self.model.SignatureDefs)
            if table.SubgraphIndex() == subgraph
        )
