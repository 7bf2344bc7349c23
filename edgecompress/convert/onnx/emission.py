"""The ONNX graph under construction: which value holds which TFLite tensor, in which layout and which form.

A TFLite activation is NHWC; ONNX's convolutions and pools want NCHW. Each tensor of rank 4 may exist in both layouts,
each made from the other by one Transpose when it is first asked for. It may also exist in two forms: stored (codes,
where it is quantized) and real; the latter is one DequantizeLinear away, made when asked for. Operators therefore say
what they need and what they made, and never how it is obtained; what nobody needed in the end is left out.

Inside, the codes of activations are uint8 also where TFLite has int8: the same codes plus 128, around a zero point plus
128. On x86 ONNX Runtime has integer kernels for uint8 activations only, and on Arm for both. The model's inputs and
outputs keep their type, and kernels stay int8.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from edgecompress.errors import ConversionError
from edgecompress.formats.tflite_graph import Graph, Operator, Tensor

NCHW = (0, 3, 1, 2)  # the axis of NHWC that each axis of NCHW is
NHWC = (0, 2, 3, 1)  # and the way back
_OPSET, _IR_VERSION = 20, 9  # the first opset with Gelu; both of 2023, so that older runtimes load the file too
_CODE_OFFSET = {"int8": 128, "int4": 128, "int2": 128, "uint8": 0}  # from TFLite's codes to those inside


def is_quantized(tensor: Tensor) -> bool:
    """Whether the elements are codes of real numbers, and not plain numbers."""
    return tensor.quant is not None and tensor.dtype in _CODE_OFFSET


def onnx_type(tensor: Tensor) -> int:
    """ONNX's code for the type that the tensor has in the file."""
    return helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))


class Emission:
    """Nodes and initializers so far, and the values by which each tensor can be had."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._nodes: list[NodeProto] = []
        self._initializers: dict[str, TensorProto] = {}
        self._equal: dict[tuple[str, tuple[int, ...], bytes], str] = {}  # equal constants are kept once
        self._used: set[str] = set()
        self._names = [self._claim(_identifier(tensor.name)) for tensor in graph.tensors]
        self._stored: dict[tuple[int, bool], str] = {}  # (tensor, channels first) -> value
        self._real: dict[tuple[int, bool], str] = {}
        self._where = "input"
        for index in graph.inputs:
            self._stored[index, False] = self._enter(index)

    def begin(self, operator: Operator) -> None:
        """From here on nodes belong to this operator and are named after its output."""
        self._where = self._names[operator.outputs[0]]

    # Reading tensors

    def tensor(self, index: int) -> Tensor:
        """The TFLite tensor of that index."""
        return self.graph.tensors[index]

    def array(self, index: int, role: str) -> np.ndarray:
        """The elements of a constant as the file has them; `role`, a plural, says in the refusal what they are."""
        source = self.graph.stored_constant(index)
        if source is None:
            raise ConversionError(f"its {role} are computed while the model runs, where a constant is needed")
        return source.dense()

    def has_nchw(self, *indices: int) -> bool:
        """Whether one of the tensors was made channels-first, so that going on in that layout saves a Transpose."""
        return any((index, True) in self._stored for index in indices)

    def stored(self, index: int, *, nchw: bool = False) -> str:
        """The value that holds a tensor: its codes where it is quantized, else its numbers.

        A constant of lower rank gets leading axes of 1 before they are permuted, as broadcasting wants it.
        """
        if (index, nchw) not in self._stored:
            if other := self._stored.get((index, not nchw)):
                self.store(index, self.node("Transpose", other, perm=NCHW if nchw else NHWC), nchw=nchw)
            else:
                self._stored[index, nchw] = self._operand(index, nchw)
        return self._stored[index, nchw]

    def real(self, index: int, *, nchw: bool = False) -> str:
        """The value that holds the real numbers of a tensor: as stored, or dequantized."""
        if (index, nchw) not in self._real:
            value = self.stored(index, nchw=nchw)
            self._real[index, nchw] = self.decode(value, index) if is_quantized(self.tensor(index)) else value
        return self._real[index, nchw]

    def real_as(self, index: int, shape: tuple[int, ...]) -> str:
        """The real numbers of a tensor in another shape; it is the codes that are reshaped."""
        if self.tensor(index).shape == shape:
            return self.real(index)
        value = self.reshape(self.flat(index), shape)
        return self.decode(value, index) if is_quantized(self.tensor(index)) else value

    def flat(self, index: int) -> str:
        """The stored value whose elements lie in memory as TFLite's do; NCHW does where one of C and HxW is 1."""
        shape = self.tensor(index).shape
        if (index, False) not in self._stored and self.has_nchw(index) and 1 in {shape[3], shape[1] * shape[2]}:
            return self.stored(index, nchw=True)
        return self.stored(index)

    def kernel(self, index: int, permutation: tuple[int, ...]) -> str:
        """The real numbers of a kernel with its axes permuted; a constant is permuted here, and int8 in the file."""
        source = self.graph.stored_constant(index)
        if source is None:
            return self.node("Transpose", self.real(index), perm=permutation)
        value = self.constant(source.dense().transpose(permutation), self._names[index])
        if source.quant is None or not is_quantized(source):
            return self._widened(value, source, self.tensor(index))
        axis = None if source.quant.axis is None else permutation.index(source.quant.axis)
        dtype = "uint8" if source.dtype == "uint8" else "int8"
        return self.dequantize(value, source.quant.scales, source.quant.zero_points, dtype, axis=axis)

    def _operand(self, index: int, nchw: bool) -> str:
        """A constant that is computed with like an activation."""
        tensor, source = self.tensor(index), self.graph.stored_constant(index)
        if source is None:
            raise ConversionError(f"{tensor} holds the state of an earlier run; models without state are supported")
        array = source.dense()
        if is_quantized(source):
            array = (array.astype(np.int16) + _CODE_OFFSET[source.dtype]).astype(np.uint8)
        if nchw:
            array = array.reshape((1,) * (4 - array.ndim) + array.shape).transpose(NCHW)
        value = self.constant(array, self._names[index])
        if is_quantized(source):
            return value if is_quantized(tensor) else self.decode(value, source.index)
        return self._widened(value, source, tensor)

    def _widened(self, value: str, source: Tensor, tensor: Tensor) -> str:
        """A float16 constant as the float32 that the operator computes with; the file keeps the smaller one."""
        return value if source.dtype == tensor.dtype else self.node("Cast", value, to=onnx_type(tensor))

    # Making values

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        return self.nodes(op_type, *inputs, outputs=1, **attributes)[0]

    def nodes(self, op_type: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Add a node and return the names of its outputs."""
        name = self._claim(f"{self._where}/{op_type}")
        names = [name] + [self._claim(f"{name}_{number}") for number in range(1, outputs)]
        self._nodes.append(helper.make_node(op_type, inputs, names, name=name, **attributes))
        return names

    def constant(self, array: np.ndarray, name: str = "") -> str:
        """An initializer, or the one of equal contents that is there already."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._equal:
            name = self._claim(f"{name or self._where}/constant")
            self._initializers[name] = numpy_helper.from_array(np.asarray(array, order="C"), name)
            self._equal[key] = name
        return self._equal[key]

    def integers(self, *values: int) -> str:
        """A constant list of int64, as shapes, axes and paddings are."""
        return self.constant(np.array(values, np.int64))

    def reshape(self, value: str, shape: tuple[int, ...]) -> str:
        """The value in another shape."""
        return self.node("Reshape", value, self.integers(*shape))

    def encode(self, value: str, index: int) -> str:
        """Real numbers to the codes of a tensor: round(x / scale) + zero point, saturated."""
        return self.node("QuantizeLinear", value, *self._code_scheme(index))

    def decode(self, value: str, index: int) -> str:
        """The codes of a tensor to real numbers: (code - zero point) * scale."""
        return self.node("DequantizeLinear", value, *self._code_scheme(index))

    def _code_scheme(self, index: int) -> tuple[str, str]:
        scale, zero_point = self.code_scheme(index)
        return self.constant(scale, "scale"), self.constant(zero_point, "zero_point")

    def code_scheme(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Scale and zero point of the codes that hold a tensor inside."""
        tensor = self.tensor(index)
        assert tensor.quant is not None
        if tensor.quant.axis is not None:
            raise ConversionError(f"{tensor} has a scale for each channel, which only kernels can have")
        zero_point = tensor.quant.zero_points[0] + _CODE_OFFSET[tensor.dtype]
        return np.array(tensor.quant.scales[0], np.float32), np.array(zero_point, np.uint8)

    def dequantize(
        self, value: str, scales: tuple[float, ...], zero_points: tuple[int, ...], dtype: str, *, axis: int | None = None
    ) -> str:
        """Integers of `dtype` to real numbers, with one scale, or one for each channel of `axis`."""
        shape = () if axis is None else (-1,)
        return self.node(
            "DequantizeLinear",
            value,
            self.constant(np.array(scales, np.float32).reshape(shape), "scale"),
            self.constant(np.array(zero_points, dtype).reshape(shape), "zero_point"),
            **({} if axis is None else {"axis": axis}),
        )

    # Saying what was made

    def store(self, index: int, value: str, *, nchw: bool = False) -> None:
        """The value holds this tensor, as stored."""
        self._stored[index, nchw] = value

    def model(self, metadata: dict[str, str]) -> ModelProto:
        """The finished model: inputs and outputs as they were, and only the nodes that these need."""
        outputs: dict[str, int] = {}
        for index in self.graph.outputs:
            outputs[self._leave(index, outputs)] = index
        needed = set(outputs)
        nodes = []
        for node in reversed(self._nodes):
            if not needed.isdisjoint(node.output):
                needed.update(node.input)
                nodes.append(node)
        graph = helper.make_graph(
            nodes[::-1],
            "main",
            [self._value_info(self._names[index], index) for index in self.graph.inputs],
            [self._value_info(name, index) for name, index in outputs.items()],
            [tensor for name, tensor in self._initializers.items() if name in needed],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="edgecompress",
        )
        helper.set_model_props(model, metadata)
        return model

    def _enter(self, index: int) -> str:
        """The stored form of a graph input."""
        tensor = self.tensor(index)
        if tensor.quant is None or tensor.dtype != "int8":
            return self._names[index]
        return self.encode(self.dequantize(self._names[index], tensor.quant.scales, tensor.quant.zero_points, "int8"), index)

    def _leave(self, index: int, taken: Collection[str]) -> str:
        """The graph output that holds a tensor, in its type and under its name."""
        tensor, name = self.tensor(index), self._names[index]
        self._where = name
        value = self.stored(index)
        if tensor.quant is not None and tensor.dtype == "int8":
            zero_point = np.array(tensor.quant.zero_points[0], np.int8)
            scale, _ = self._code_scheme(index)
            value = self.node("QuantizeLinear", self.real(index), scale, self.constant(zero_point, "zero_point"))
        if name in taken or index in self.graph.inputs:
            name = self._claim(name)
        made = {output for node in self._nodes for output in node.output}
        if value not in made or value in taken:
            value = self.node("Identity", value)
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [name if used == value else used for used in names]
        return name

    def _value_info(self, name: str, index: int) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx_type(self.tensor(index)), self.tensor(index).shape)

    def _claim(self, name: str) -> str:
        """The name, or the first of `name_1`, `name_2`, ... that is free."""
        free, number = name, 0
        while free in self._used:
            number += 1
            free = f"{name}_{number}"
        self._used.add(free)
        return free


def _identifier(name: str) -> str:
    """What every runtime accepts as a name: letters, digits, and `_ . /`."""
    return re.sub(r"[^A-Za-z0-9_./]", "_", name) or "tensor"
