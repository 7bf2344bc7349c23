"""ONNX files in ONNX Runtime, on its CPU provider."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from edgecompress.runtimes.engines.precision import require_precision
from edgecompress.runtimes.engines.registration import can_register, register
from edgecompress.values import QuantScheme, TensorSpec

_FLOATS = {"float": "float32", "double": "float64"}  # the runtime's names for them
# What gives the elements of its first input, or of all, in other places or fewer of them.
_JOINING = ("Concat", "Max", "Min")
_MOVING = (
    *_JOINING, "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "MaxPool", "ReduceMax",
    "ReduceMin", "Slice", "Split", "Gather", "Pad", "Tile", "Expand", "DepthToSpace", "SpaceToDepth",
)  # fmt: skip


class OnnxSession:
    """A `Session` over `onnxruntime`, with the graph optimizations that are on by default; exact on every processor.

    With `as_written` none of them is: 1.17 to 1.31 have some that change what a file computes.
    """

    def __init__(self, path: str, *, as_written: bool = False) -> None:
        options = _options()
        if as_written:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._load(path, options)

    def _load(self, path: str, options: onnxruntime.SessionOptions) -> None:
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        schemes = _io_schemes(path) if any(_is_integer(each) for each in self._io()) else {}
        self.inputs = tuple(_spec(each, schemes) for each in self._session.get_inputs())
        self.outputs = tuple(_spec(each, schemes) for each in self._session.get_outputs())
        self.runtime = f"ONNX Runtime {onnxruntime.__version__}"
        self._binding = self._session.io_binding()
        self._arrays: list[np.ndarray] = []

    def bind(self, arrays: list[np.ndarray]) -> None:
        """Put the inputs in place; `invoke` reads them where they are."""
        if len(arrays) != len(self.inputs):
            raise ValueError(f"expected {len(self.inputs)} inputs, got {len(arrays)}")
        self._arrays = [np.ascontiguousarray(array) for array in arrays]  # the binding only borrows their memory
        self._binding.clear_binding_inputs()
        self._binding.clear_binding_outputs()
        for spec, array in zip(self.inputs, self._arrays, strict=True):
            self._binding.bind_cpu_input(spec.name, array)
        for spec in self.outputs:
            self._binding.bind_output(spec.name, "cpu")

    def invoke(self) -> None:
        """Run one inference."""
        self._session.run_with_iobinding(self._binding)

    def read(self) -> list[np.ndarray]:
        """Copy the outputs."""
        return self._binding.copy_outputs_to_cpu()

    def _io(self) -> list[Any]:
        return [*self._session.get_inputs(), *self._session.get_outputs()]


class BinaryOnnxSession(OnnxSession):
    """The same with the binary kernels; where they cannot be built, with the functions that the file brings."""

    def __init__(self, path: str) -> None:
        options = _options()
        kernels = register(options) if can_register() else ""
        self._load(path, options)
        if kernels:
            self.runtime += f" with edgecompress kernels ({kernels})"


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal: a refusal comes as an exception
    require_precision(options)
    return options


def _is_integer(node: Any) -> bool:
    return node.type in ("tensor(int8)", "tensor(uint8)", "tensor(int16)", "tensor(uint16)")


def _spec(node: Any, schemes: dict[str, QuantScheme]) -> TensorSpec:
    dtype = node.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(each if isinstance(each, int) else -1 for each in node.shape)
    return TensorSpec(node.name, shape, _FLOATS.get(dtype, dtype), schemes.get(node.name))


def _io_schemes(path: str) -> dict[str, QuantScheme]:
    """Scale and zero point of integer inputs and outputs, which the runtime does not tell.

    ONNX keeps them where the tensor is dequantized, or was quantized: in the second and third input of that node. What
    only moves or selects elements, between that node and the graph's boundary, keeps a scheme of the whole tensor.
    """
    import onnx  # only for files with integer inputs or outputs

    from edgecompress.formats.onnx.graph import parse_model

    graph = parse_model(Path(path).read_bytes()).graph
    constants = {each.name: each for each in graph.initializer}
    schemes = {}
    for node in graph.node:
        if node.op_type not in ("DequantizeLinear", "QuantizeLinear") or node.input[1] not in constants:
            continue
        tensor = node.input[0] if node.op_type == "DequantizeLinear" else node.output[0]
        scales = onnx.numpy_helper.to_array(constants[node.input[1]])
        zero_points = np.zeros_like(scales, np.int64)
        if len(node.input) > 2 and node.input[2] in constants:
            zero_points = onnx.numpy_helper.to_array(constants[node.input[2]])
        axis = next((each.i for each in node.attribute if each.name == "axis"), 1) if scales.size > 1 else None
        schemes[tensor] = QuantScheme(tuple(scales.ravel().tolist()), tuple(zero_points.ravel().tolist()), axis)
    moving = [each for each in graph.node if each.op_type in _MOVING]
    for node in reversed(moving):  # from what is computed back to the inputs
        _keep(schemes, known=node.output, others=_moved(node))
    for node in moving:
        _keep(schemes, known=_moved(node), others=node.output)
    return schemes


def _moved(node: Any) -> list[str]:
    """The tensors whose elements a node moves: the first, or all that are joined."""
    return list(node.input) if node.op_type in _JOINING else list(node.input[:1])


def _keep(schemes: dict[str, QuantScheme], *, known: Sequence[str], others: Sequence[str]) -> None:
    scheme = next((schemes[name] for name in known if name in schemes and schemes[name].axis is None), None)
    if scheme is not None:
        for name in others:
            schemes.setdefault(name, scheme)
