"""Integer inputs and outputs for a quantized TFLite file."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.convert.targets import Io
from edgecompress.convert.tflite.flatbuffer import pack, unpack
from edgecompress.errors import ConversionError

UINT8_SHIFT = 128  # a uint8 code is the int8 code of the same real number plus this


def set_io(content: bytes, io: Io) -> bytes:
    """Return a file whose float32 inputs and outputs take and give `io`, with the scales of the tensors behind them.

    int8 takes the QUANTIZE and DEQUANTIZE at the doors away; uint8 turns them into a shift by 128.

    Raises:
        ConversionError: the first or last operator is not quantized, so that there is no scale.
    """
    if io == "float32":
        return content
    model = unpack(content)
    graph = model.subgraphs[0]
    graph.inputs, graph.outputs = list(map(int, graph.inputs)), list(map(int, graph.outputs))
    kinds = _Kinds(model)
    for position, index in enumerate(graph.inputs):
        readers = [operator for operator in graph.operators if index in operator.inputs]
        if len(readers) != 1 or not kinds.is_a(readers[0], "QUANTIZE"):
            raise _refusal(io)
        inner = int(readers[0].outputs[0])
        if io == "int8":
            graph.operators.remove(readers[0])
            graph.inputs[position] = inner
            graph.outputs = [inner if output == index else output for output in graph.outputs]
        else:
            _become_uint8(graph.tensors[index], graph.tensors[inner])
    for position, index in enumerate(graph.outputs):
        if index in graph.inputs:
            continue
        writers = [operator for operator in graph.operators if index in operator.outputs]
        if len(writers) != 1 or not kinds.is_a(writers[0], "DEQUANTIZE"):
            raise _refusal(io)
        inner = int(writers[0].inputs[0])
        if io == "int8":
            graph.operators.remove(writers[0])
            graph.outputs[position] = inner
        else:
            kinds.make(writers[0], "QUANTIZE")
            _become_uint8(graph.tensors[index], graph.tensors[inner])
    return pack(model, len(content))


def _become_uint8(tensor: Any, like: Any) -> None:
    """Give a float tensor the real numbers of an int8 tensor, in uint8."""
    from ai_edge_litert import schema_py_generated as schema

    tensor.type = schema.TensorType.UINT8
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.array(like.quantization.scale, np.float32)
    tensor.quantization.zeroPoint = np.array(like.quantization.zeroPoint, np.int64) + UINT8_SHIFT


class _Kinds:
    """The operator codes of a model, by name."""

    def __init__(self, model: Any) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.model, self.schema = model, schema

    def is_a(self, operator: Any, kind: str) -> bool:
        code = self.model.operatorCodes[operator.opcodeIndex]
        return max(code.builtinCode, code.deprecatedBuiltinCode) == getattr(self.schema.BuiltinOperator, kind)

    def make(self, operator: Any, kind: str) -> None:
        number = getattr(self.schema.BuiltinOperator, kind)
        code = self.schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 2
        self.model.operatorCodes.append(code)
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.builtinOptions, operator.builtinOptionsType = None, self.schema.BuiltinOptions.NONE


def _refusal(io: Io) -> ConversionError:
    return ConversionError(
        f"The inputs and outputs cannot be {io}: the first or last layer stayed float32.",
        hint="Use --io float32, or do not keep these layers float.",
    )
