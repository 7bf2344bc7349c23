"""Small `.tflite` files, built with the schema's own object classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


@dataclass(frozen=True)
class T:
    """A tensor to build: a constant where it has `data`."""

    shape: Sequence[int]
    dtype: str = "FLOAT32"
    name: str = ""
    data: np.ndarray | None = None
    scale: float | Sequence[float] | None = None
    zero_point: int | Sequence[int] = 0
    axis: int = 0
    signature: Sequence[int] | None = None
    sparsity: Any = None


def tensor_table(tensor: T, index: int, buffers: list[Any]) -> Any:
    table = schema.TensorT()
    table.shape, table.type = list(tensor.shape), getattr(schema.TensorType, tensor.dtype)
    table.name = tensor.name or f"tensor{index}"
    table.shapeSignature, table.sparsity = tensor.signature, tensor.sparsity
    if tensor.scale is not None:
        table.quantization = schema.QuantizationParametersT()
        table.quantization.scale = np.atleast_1d(tensor.scale).astype(np.float32).tolist()
        table.quantization.zeroPoint = np.atleast_1d(tensor.zero_point).tolist()
        table.quantization.quantizedDimension = tensor.axis
    if tensor.data is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(tensor.data.tobytes(), np.uint8)
        table.buffer = len(buffers)
        buffers.append(buffer)
    return table


def model_table(
    tensors: Sequence[T],
    operators: Sequence[tuple[str, Sequence[int], Sequence[int], Any]],
    *,
    inputs: Sequence[int] | None = None,
    outputs: Sequence[int] | None = None,
) -> Any:
    """Operators are (kind, inputs, outputs, options or None).

    If not given, the model's inputs are the tensors that have no data and are not computed, its output is the last one.
    """
    if inputs is None:
        computed = {index for _, _, made, _ in operators for index in made}
        inputs = [index for index, tensor in enumerate(tensors) if tensor.data is None and index not in computed]
    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.buffers, model.description = 3, [schema.BufferT()], "built for a test"
    graph.tensors = [tensor_table(tensor, index, model.buffers) for index, tensor in enumerate(tensors)]
    graph.inputs, graph.outputs = list(inputs), list([len(tensors) - 1] if outputs is None else outputs)
    graph.operators, model.operatorCodes, model.subgraphs = [], [], [graph]
    for kind, operator_inputs, operator_outputs, options in operators:
        code, operator = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, kind)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        # The version from which on most take int8.
        code.version = 1 if kind in ("HARD_SWISH", "NEG", "CUMSUM", "UNIDIRECTIONAL_SEQUENCE_RNN") else 2
        operator.opcodeIndex = len(model.operatorCodes)
        operator.inputs, operator.outputs = list(operator_inputs), list(operator_outputs)
        if options is not None:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
            operator.builtinOptions = options
        model.operatorCodes.append(code)
        graph.operators.append(operator)
    return model


def pack(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def build(*args: Any, **kwargs: Any) -> bytes:
    return pack(model_table(*args, **kwargs))


def options(name: str, **fields: Any) -> Any:
    """An options table of the schema, such as `options("AddOptions", fusedActivationFunction=1)`."""
    table = getattr(schema, name + "T")()
    for field, value in fields.items():
        assert hasattr(table, field)
        setattr(table, field, value)
    return table


def svdf(folder: Path, *, units: int = 2, rank: int = 2, memory: int = 5, features: int = 3, seed: int = 0) -> Path:
    """A filter over time, whose state is a variable of the file."""
    generator = np.random.default_rng(seed)

    def constant(*shape: int) -> T:
        return T(shape, data=generator.normal(size=shape).astype(np.float32))

    filters = units * rank
    tensors = [
        *(T([1, features]), constant(filters, features), constant(filters, memory), constant(units)),
        *(T([1, filters * memory]), T([1, units])),
    ]
    table = model_table(tensors, [("SVDF", [0, 1, 2, 3, 4], [5], options("SVDFOptions", rank=rank))], inputs=[0])
    table.subgraphs[0].tensors[4].isVariable = True
    path = folder / "svdf.tflite"
    path.write_bytes(pack(table))
    return path


def recurrent(folder: Path, *, units: int = 4, steps: int = 6, features: int = 3, seed: int = 0) -> Path:
    """A recurrent layer as converters emit it, a plain cell over a sequence, whose state is a variable; then a ReLU."""
    generator = np.random.default_rng(seed)

    def constant(*shape: int) -> T:
        return T(shape, data=generator.normal(size=shape).astype(np.float32))

    tensors = [
        *(T([1, steps, features]), constant(units, features), constant(units, units), constant(units)),
        *(T([1, units]), T([1, steps, units]), T([1, steps, units])),
    ]
    cell = options("SequenceRNNOptions", timeMajor=False, fusedActivationFunction=4)
    operators = [("UNIDIRECTIONAL_SEQUENCE_RNN", [0, 1, 2, 3, 4], [5], cell), ("RELU", [5], [6], None)]
    table = model_table(tensors, operators, inputs=[0])
    table.subgraphs[0].tensors[4].isVariable = True
    path = folder / "recurrent.tflite"
    path.write_bytes(pack(table))
    return path


def run_litert(tflite: bytes, *inputs: np.ndarray) -> list[np.ndarray]:
    """Run a model once in LiteRT, as it runs by default."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]
