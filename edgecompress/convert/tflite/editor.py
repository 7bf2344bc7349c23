"""A TFLite graph under change: constants, operators by kind, who makes a tensor and who reads it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.convert.tflite.flatbuffer import pack, unpack

_NUMPY_TYPES = ("float32", "int32", "int64", "int8", "uint8", "bool")


class Editor:
    """The one subgraph of a model made by this project, as the schema's objects with the questions that a pass asks."""

    def __init__(self, content: bytes) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.model = unpack(content)
        self.graph = self.model.subgraphs[0]
        self._size_bytes = len(content)
        self._kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
        self._dtypes = {getattr(schema.TensorType, name.upper()): np.dtype(name) for name in _NUMPY_TYPES}
        for operator in self.graph.operators:
            operator.inputs, operator.outputs = _numbers(operator.inputs), _numbers(operator.outputs)
        self.graph.inputs, self.graph.outputs = _numbers(self.graph.inputs), _numbers(self.graph.outputs)

    def kind(self, operator: Any) -> str:
        """The name of a builtin operator, or the custom code of another."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        name = self._kinds[max(code.builtinCode, code.deprecatedBuiltinCode)]
        return _text(code.customCode) if name == "CUSTOM" else name

    def name(self, index: int) -> str:
        """The name of a tensor."""
        return _text(self.graph.tensors[index].name)

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of a tensor, with the batch that the file states."""
        shape = self.graph.tensors[index].shape
        return () if shape is None else tuple(int(size) for size in shape)

    def is_float(self, index: int) -> bool:
        """Whether a tensor is float32."""
        return bool(self.graph.tensors[index].type == self.schema.TensorType.FLOAT32)

    def constant(self, index: int) -> np.ndarray | None:
        """The elements of a constant of a plain type; None for all other tensors."""
        if index < 0:
            return None
        tensor = self.graph.tensors[index]
        data = self.model.buffers[tensor.buffer].data
        if data is None or len(data) == 0 or tensor.type not in self._dtypes or tensor.sparsity is not None:
            return None
        return np.frombuffer(bytes(bytearray(data)), self._dtypes[tensor.type]).reshape(self.shape(index))

    def producer(self, index: int) -> Any | None:
        """The operator that computes a tensor."""
        return next((operator for operator in self.graph.operators if index in operator.outputs), None)

    def readers(self, index: int) -> list[Any]:
        """The operators that read a tensor."""
        return [operator for operator in self.graph.operators if index in operator.inputs]

    def only_reader(self, index: int) -> Any | None:
        """The operator that alone reads a tensor, unless it is an output of the graph as well."""
        readers = self.readers(index)
        return readers[0] if len(readers) == 1 and index not in self.graph.outputs else None

    def add_tensor(self, name: str, shape: tuple[int, ...], dtype: str, data: np.ndarray | None = None) -> int:
        """A new tensor, a constant where `data` is given."""
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape = name, np.array(shape, np.int32)
        tensor.type, tensor.buffer = getattr(self.schema.TensorType, dtype.upper()), 0
        if data is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def add_constant(self, name: str, data: np.ndarray) -> int:
        """A new constant tensor."""
        return self.add_tensor(name, data.shape, data.dtype.name, data)

    def builtin(self, kind: str, inputs: list[int], outputs: list[int], options: Any = None) -> Any:
        """A builtin operator, in no place yet; `options` is an object of the schema."""
        operator = self._operator(self._builtin_code(kind), inputs, outputs)
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        return operator

    def custom(self, code: str, inputs: list[int], outputs: list[int], options: dict[str, int] | None = None) -> Any:
        """A custom operator with a code of its own, in no place yet: the code is where a runtime can tell it apart."""
        from flatbuffers import flexbuffers

        operator = self._operator(self._code(self.schema.BuiltinOperator.CUSTOM, code), inputs, outputs)
        if options is not None:
            operator.customOptions = np.frombuffer(flexbuffers.Dumps(options), np.uint8)
        return operator

    def own_code(self, operator: Any) -> None:
        """Give a custom operator a code of its own."""
        operator.opcodeIndex = self._code(self.schema.BuiltinOperator.CUSTOM, self.kind(operator))

    def replace(self, old: Any, new: list[Any]) -> None:
        """Put operators in the place of one."""
        place = next(place for place, operator in enumerate(self.graph.operators) if operator is old)
        self.graph.operators[place : place + 1] = new

    def drop_unneeded(self) -> None:
        """Leave out operators whose results nothing needs any more."""
        needed = set(self.graph.outputs)
        kept = []
        for operator in reversed(self.graph.operators):
            if not needed.isdisjoint(operator.outputs):
                needed.update(operator.inputs)
                kept.append(operator)
        self.graph.operators = kept[::-1]

    def content(self) -> bytes:
        """The file, without operators, tensors, buffers and codes that nothing needs any more."""
        self.drop_unneeded()
        self._drop_tensors()
        self._drop_buffers()
        self._drop_codes()
        return pack(self.model, self._size_bytes)

    def _operator(self, code: int, inputs: list[int], outputs: list[int]) -> Any:
        operator = self.schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = code, list(inputs), list(outputs)
        return operator

    def _builtin_code(self, kind: str) -> int:
        number = getattr(self.schema.BuiltinOperator, kind)
        for index, code in enumerate(self.model.operatorCodes):
            if max(code.builtinCode, code.deprecatedBuiltinCode) == number:
                return index
        return self._code(number)

    def _code(self, number: int, custom: str | None = None) -> int:
        code = self.schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version, code.customCode = 1, custom
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def _drop_tensors(self) -> None:
        used = {*self.graph.inputs, *self.graph.outputs}
        for operator in self.graph.operators:
            used.update(operator.inputs, operator.outputs)
        places = {old: new for new, old in enumerate(sorted(used - {-1}))} | {-1: -1}
        for operator in self.graph.operators:
            operator.inputs = [places[index] for index in operator.inputs]
            operator.outputs = [places[index] for index in operator.outputs]
        for signature in self.model.signatureDefs or []:
            for entry in (*signature.inputs, *signature.outputs):
                entry.tensorIndex = places[entry.tensorIndex]
        self.graph.inputs = [places[index] for index in self.graph.inputs]
        self.graph.outputs = [places[index] for index in self.graph.outputs]
        self.graph.tensors = [self.graph.tensors[index] for index in sorted(used - {-1})]

    def _drop_buffers(self) -> None:
        holders = [*self.graph.tensors, *(self.model.metadata or [])]
        used = sorted({0, *(holder.buffer for holder in holders)})  # buffer 0 is the empty one
        for holder in holders:
            holder.buffer = used.index(holder.buffer)
        self.model.buffers = [self.model.buffers[index] for index in used]

    def _drop_codes(self) -> None:
        used = sorted({operator.opcodeIndex for operator in self.graph.operators})
        for operator in self.graph.operators:
            operator.opcodeIndex = used.index(operator.opcodeIndex)
        self.model.operatorCodes = [self.model.operatorCodes[index] for index in used]


def _numbers(indices: Any) -> list[int]:
    return [] if indices is None else [int(index) for index in indices]


def _text(raw: Any) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw or "")
