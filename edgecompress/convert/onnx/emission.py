"""Which ONNX value holds which TFLite tensor, in which layout and which form.

A TFLite activation is NHWC; ONNX's convolutions and pools want NCHW. Each tensor of rank 4 may exist in both layouts,
one made from the other by a Transpose when it is first asked for. It may also exist in two forms: stored (codes, where
it is quantized) and real; the second is one DequantizeLinear away, made when asked for. Operators therefore say what
they need and what they made, and never how it is obtained.

Inside, the codes of activations are uint8 also where TFLite has int8: the same codes plus 128 around a zero point plus
128. On x86, ONNX Runtime has integer kernels for uint8 activations only, on Arm for both. The model's inputs and
outputs keep their type, and kernels stay int8, but for those that several operators read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, ValueInfoProto, helper

from edgecompress.convert.onnx.graph_writer import GraphWriter
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.graph import Graph, Operator, Tensor

NCHW = (0, 3, 1, 2)  # the axis of NHWC that each axis of NCHW is
NHWC = (0, 2, 3, 1)  # and the way back
_CODE_OFFSET = {"int8": 128, "int4": 128, "int2": 128, "uint8": 0}  # from TFLite's codes to those inside


def is_quantized(tensor: Tensor) -> bool:
    """Whether the elements are codes of real numbers, and not plain numbers."""
    return tensor.quant is not None and tensor.dtype in _CODE_OFFSET


def onnx_type(tensor: Tensor) -> int:
    """ONNX's code for the type that the tensor has in the TFLite file."""
    return helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))


class Emission(GraphWriter):
    """The ONNX graph under construction, with the values by which each tensor of the TFLite graph can be had."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.graph = graph
        boundary = dict.fromkeys((*graph.inputs, *graph.outputs))
        self._boundary = {index: self.claim(_identifier(self.tensor(index).name)) for index in boundary}
        self._stored: dict[tuple[int, bool], str] = {}  # (tensor, channels first) -> value
        self._real: dict[tuple[int, bool], str] = {}
        self._kernels: dict[tuple[int, tuple[int, ...]], str] = {}
        self.bit_channels: dict[int, int] = {}  # how many channels a tensor has that holds signs as bits
        for index in graph.inputs:
            self._stored[index, False] = self._enter(index)

    def begin(self, operator: Operator) -> None:
        """From here on nodes belong to this operator and are named after its output."""
        self.scope = self._short_name(operator.outputs[0]) if operator.outputs else operator.kind

    def tensor(self, index: int) -> Tensor:
        """The TFLite tensor of that index."""
        return self.graph.tensors[index]

    def is_quantized(self, index: int) -> bool:
        """Whether the tensor of that index holds codes of real numbers."""
        return is_quantized(self.tensor(index))

    def only_convolved(self, index: int) -> bool:
        """Whether nothing but convolutions read the tensor."""
        readers = [each.kind for each in self.graph.operators if index in each.inputs]
        return set(readers) <= {"CONV_2D", "DEPTHWISE_CONV_2D"} and index not in self.graph.outputs

    def array(self, index: int, role: str) -> np.ndarray:
        """The elements of a constant as the file has them; `role`, a plural, says in the refusal what they are."""
        source = self.graph.stored_constant(index)
        if source is None:
            raise ConversionError(f"its {role} are computed while the model runs, where a constant is needed")
        return source.dense()

    def has_nchw(self, *indices: int) -> bool:
        """Whether one of the tensors was made channels-first, so that going on in that layout saves a Transpose."""
        return any((index, True) in self._stored and not self.graph.stored_constant(index) for index in indices)

    def stored(self, index: int, *, nchw: bool = False) -> str:
        """The value that holds a tensor: its codes where it is quantized, else its numbers.

        A constant of lower rank gets leading axes of 1 before they are permuted, as broadcasting wants it.
        """
        if (index, nchw) not in self._stored:
            if (index, not nchw) in self._stored and not self.graph.stored_constant(index):
                value = self.node("Transpose", self._stored[index, not nchw], perm=NCHW if nchw else NHWC)
            else:
                value = self._constant_operand(index, nchw)
            self._stored[index, nchw] = value
        return self._stored[index, nchw]

    def real(self, index: int, *, nchw: bool = False) -> str:
        """The value that holds the real numbers of a tensor: as stored, or dequantized."""
        if (index, nchw) not in self._real:
            value = self.stored(index, nchw=nchw)
            self._real[index, nchw] = self.decode(value, index) if self.is_quantized(index) else value
        return self._real[index, nchw]

    def real_as(self, index: int, shape: tuple[int, ...]) -> str:
        """The real numbers of a tensor in another shape; it is the codes that are reshaped."""
        if self.tensor(index).shape == shape:
            return self.real(index)
        value = self.reshape(self.flat(index), shape)
        return self.decode(value, index) if self.is_quantized(index) else value

    def flat(self, index: int) -> str:
        """The stored value whose elements lie in memory as TFLite's do; NCHW does where one of C and HxW is 1."""
        if (index, False) not in self._stored and self.has_nchw(index):
            _, height, width, channels = self.tensor(index).shape
            return self.stored(index, nchw=1 in {channels, height * width})
        return self.stored(index)

    def kernel(self, index: int, permutation: tuple[int, ...]) -> str:
        """The real numbers of a kernel with its axes permuted; a constant is permuted here, and int8 in the file."""
        if (index, permutation) not in self._kernels:
            self._kernels[index, permutation] = self._kernel(index, permutation)
        return self._kernels[index, permutation]

    def _kernel(self, index: int, permutation: tuple[int, ...]) -> str:
        source = self.graph.stored_constant(index)
        if source is None:
            return self.node("Transpose", self.real(index), perm=permutation)
        name, array = self._short_name(index), source.dense().transpose(permutation)
        if source.quant is None or not is_quantized(source):
            return self._widened(self.constant(array, name), source, self.tensor(index))
        # Not shared: ONNX Runtime may replace int8 kernels and zero points by uint8 ones, one node after the other, and
        # fails on those that it has replaced before. Kernels that several operators read are uint8 from the start.
        scales, zero_points = np.array(source.quant.scales, np.float32), np.array(source.quant.zero_points, array.dtype)
        if array.dtype == np.int8 and sum(index in each.inputs for each in self.graph.operators) > 1:
            array, zero_points = ((each.astype(np.int16) + 128).astype(np.uint8) for each in (array, zero_points))
        axis = {} if source.quant.axis is None else {"axis": permutation.index(source.quant.axis)}
        shape = (-1,) if axis else ()
        return self.node(
            "DequantizeLinear",
            self.initializer(array, name),
            self.constant(scales.reshape(shape), "scale"),
            self.initializer(zero_points.reshape(shape), "kernel_zero_point"),
            **axis,
        )

    def _constant_operand(self, index: int, nchw: bool) -> str:
        """A constant that is computed with like an activation."""
        tensor, source = self.tensor(index), self.graph.stored_constant(index)
        if source is None:
            raise ConversionError(f"its input '{tensor.name}' is kept from one run to the next, which ONNX does not do")
        array = source.dense()
        if is_quantized(source):
            array = (array.astype(np.int16) + _CODE_OFFSET[source.dtype]).astype(np.uint8)
        if nchw:
            array = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(NCHW)
        value = self.constant(array, self._short_name(index))
        if is_quantized(source):
            return value if is_quantized(tensor) else self.decode(value, source.index)
        return self._widened(value, source, tensor)

    def _widened(self, value: str, source: Tensor, tensor: Tensor) -> str:
        """A float16 constant as the float32 that the operator computes with; the file keeps the smaller one."""
        return value if source.dtype == tensor.dtype else self.node("Cast", value, to=onnx_type(tensor))

    def encode(self, value: str, index: int, *, scale: float | None = None, zero_point: int | None = None) -> str:
        """Real numbers to the codes of a tensor: round(x / scale) + zero point, saturated; or by another scheme."""
        return self.node("QuantizeLinear", value, *self._scheme(index, scale, zero_point))

    def decode(self, value: str, index: int, *, scale: float | None = None, zero_point: int | None = None) -> str:
        """The codes of a tensor to real numbers: (code - zero point) * scale; or by another scheme."""
        return self.node("DequantizeLinear", value, *self._scheme(index, scale, zero_point))

    def _scheme(self, index: int, scale: float | None, zero_point: int | None) -> tuple[str, str]:
        own_scale, own_zero_point = self.code_scheme(index)
        return (
            self.constant(np.array(own_scale if scale is None else scale, np.float32), "scale"),
            self.constant(np.array(own_zero_point if zero_point is None else zero_point, np.uint8), "zero_point"),
        )

    def code_scheme(self, index: int) -> tuple[np.float32, int]:
        """Scale and zero point of the codes that hold a tensor inside."""
        tensor = self.tensor(index)
        if tensor.quant is None or not is_quantized(tensor):
            raise ConversionError(f"'{tensor.name}' is {tensor.dtype} where an 8-bit quantized tensor is needed")
        if tensor.quant.axis is not None:
            raise ConversionError(f"'{tensor.name}' has a scale for each channel, which only kernels can have")
        return np.float32(tensor.quant.scales[0]), tensor.quant.zero_points[0] + _CODE_OFFSET[tensor.dtype]

    def dequantize(self, value: str, scales: np.ndarray, zero_point: np.ndarray) -> str:
        """Integers to real numbers: with one scale, or with one for each index of axis 0."""
        axis = {"axis": 0} if scales.ndim else {}
        return self.node(
            "DequantizeLinear", value, self.constant(scales, "scale"), self.constant(zero_point, "zero_point"), **axis
        )

    def store(self, index: int, value: str, *, nchw: bool = False) -> None:
        """The value holds this tensor, as stored."""
        self._stored[index, nchw] = value

    def model(self, metadata: Mapping[str, str]) -> ModelProto:
        """The finished model, with the inputs and outputs of the TFLite graph."""
        inputs = [self._value_info(self._boundary[index], index) for index in self.graph.inputs]
        outputs = []
        for position, index in enumerate(self.graph.outputs):
            name = self._boundary[index]
            if index in self.graph.inputs or index in self.graph.outputs[:position]:
                name = self.claim(name)
            outputs.append((self._leave(index), self._value_info(name, index)))
        return self.build(inputs, outputs, metadata)

    def _enter(self, index: int) -> str:
        """The stored form of a graph input."""
        tensor = self.tensor(index)
        value = self.scope = self._boundary[index]
        if tensor.quant is None or tensor.dtype != "int8":
            return value
        scale, _ = self.code_scheme(index)
        zero_point = np.array(tensor.quant.zero_points[0], np.int8)
        return self.encode(self.dequantize(value, np.array(scale), zero_point), index)

    def _leave(self, index: int) -> str:
        """The value that holds a graph output in its own type."""
        tensor = self.tensor(index)
        self.scope = self._boundary[index]
        if tensor.quant is None or tensor.dtype != "int8":
            return self.stored(index)
        scale = self.constant(np.array(tensor.quant.scales[0], np.float32), "scale")
        zero_point = self.constant(np.array(tensor.quant.zero_points[0], np.int8), "zero_point")
        return self.node("QuantizeLinear", self.real(index), scale, zero_point)

    def _value_info(self, name: str, index: int) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx_type(self.tensor(index)), self.tensor(index).shape)

    def _short_name(self, index: int) -> str:
        """The last of the operations that the TFLite converter merged and named a tensor after."""
        return _identifier(self.tensor(index).name.partition(";")[0])


def _identifier(name: str) -> str:
    """What every runtime accepts as a name: letters, digits, and `_ . /`."""
    return re.sub(r"[^A-Za-z0-9_./]", "_", name) or "tensor"
