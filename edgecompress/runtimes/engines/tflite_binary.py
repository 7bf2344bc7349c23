"""TFLite files with binary operators: LiteRT's C interface, with the kernels of `native/binary` registered in it."""

from __future__ import annotations

import ctypes
import importlib.util
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.formats.tflite.file import parse_graph
from edgecompress.native.build import build_binary_kernels
from edgecompress.values import TensorSpec

_CPU, _LOCK_READ, _LOCK_WRITE = 1, 0, 1
_WHY_BYTES = 256
_RANK_BITS = 0x7F  # the bit above them tells of strides

Handle = ctypes.c_void_p


class _Layout(ctypes.Structure):
    _fields_ = (("rank_and_flags", ctypes.c_uint32), ("shape", ctypes.c_int32 * 8), ("strides", ctypes.c_uint32 * 8))


class _TensorType(ctypes.Structure):
    _fields_ = (("element_type", ctypes.c_int), ("layout", _Layout))


class _Tensor:
    """An input or output: what it is, its place among LiteRT's, and the buffer for the shapes at hand."""

    def __init__(self, spec: TensorSpec, kind: _TensorType, place: int) -> None:
        self.spec, self.kind, self.place, self.buffer = spec, kind, place, Handle()

    def set_shape(self, shape: Iterable[int]) -> None:
        shape = tuple(shape)
        self.kind.layout = _Layout(len(shape), (ctypes.c_int32 * 8)(*shape))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.kind.layout.shape[: self.kind.layout.rank_and_flags & _RANK_BITS])


class BinaryTfliteSession:
    """A `Session` over `libLiteRt.so`. What it takes is given back when its process ends."""

    def __init__(self, path: str) -> None:
        content = Path(path).read_bytes()
        graph = parse_graph(content, name=Path(path).name)
        self._litert = ctypes.CDLL(str(_litert_file()))
        kernels = _load_kernels()
        self._environment = self._made("CreateEnvironment", 0, None)
        self._binary, self._failures = _open(kernels, content), kernels.edgecompress_litert_failures
        size_bytes = ctypes.c_size_t()
        copy = Handle(kernels.edgecompress_litert_model(self._binary, ctypes.byref(size_bytes)))
        model = self._made("CreateModelFromBuffer", self._environment, copy, size_bytes)
        options = self._made("CreateOptions")
        self._call("SetOptionsHardwareAccelerators", options, _CPU)
        if status := kernels.edgecompress_litert_register(self._binary, Handle(self._litert._handle), options):
            raise RuntimeError(f"LiteRT did not take the kernels: status {status}")
        self._compiled = self._made("CreateCompiledModel", self._environment, model, options)
        signature = self._made("GetModelSignature", model, 0)
        self._inputs = self._tensors(signature, "Input", [graph.tensors[index].spec for index in graph.inputs])
        self._outputs = self._tensors(signature, "Output", [graph.tensors[index].spec for index in graph.outputs])
        self.inputs = tuple(tensor.spec for tensor in self._inputs)
        self.outputs = tuple(tensor.spec for tensor in self._outputs)
        self.runtime = (
            f"LiteRT {version('ai-edge-litert')} with edgecompress kernels ({kernels.binary_kernels().decode()})"
        )

    def bind(self, arrays: list[np.ndarray]) -> None:
        """Put the inputs in place; a free axis is resized when its length changes."""
        if len(arrays) != len(self.inputs):
            raise ValueError(f"expected {len(self.inputs)} inputs, got {len(arrays)}")
        for array, spec in zip(arrays, self.inputs, strict=True):
            _check(array, spec)
        shapes = [array.shape for array in arrays]
        if not all(t.buffer for t in self._inputs) or shapes != [tensor.shape for tensor in self._inputs]:
            self._allocate(shapes)
        for tensor, array in zip(self._inputs, arrays, strict=True):
            memory = self._made("LockTensorBuffer", tensor.buffer, after=(_LOCK_WRITE,))
            ctypes.memmove(memory, np.ascontiguousarray(array).ctypes.data, array.nbytes)
            self._call("UnlockTensorBuffer", tensor.buffer)

    def invoke(self) -> None:
        """Run one inference."""
        inputs, outputs = _buffers(self._inputs), _buffers(self._outputs)
        self._call("RunCompiledModel", self._compiled, 0, len(inputs), inputs, len(outputs), outputs)
        if self._failures(self._binary):
            raise RuntimeError("a binary operator got a tensor of another shape than the file says")

    def read(self) -> list[np.ndarray]:
        """Copy the outputs."""
        arrays = []
        for tensor in self._outputs:
            array = np.empty(tensor.shape, tensor.spec.dtype)
            memory = self._made("LockTensorBuffer", tensor.buffer, after=(_LOCK_READ,))
            ctypes.memmove(array.ctypes.data, memory, array.nbytes)
            self._call("UnlockTensorBuffer", tensor.buffer)
            arrays.append(array)
        return arrays

    def _allocate(self, shapes: list[tuple[int, ...]]) -> None:
        """Give the tensors buffers for the inputs' new shapes."""
        for tensor, shape in zip(self._inputs, shapes, strict=True):
            if tensor.spec.shape != shape:
                lengths = (ctypes.c_int * len(shape))(*shape)
                self._call("CompiledModelResizeInputTensor", self._compiled, 0, tensor.place, lengths, len(shape))
            tensor.set_shape(shape)
        layouts = (_Layout * len(self._outputs))()
        self._call("GetCompiledModelOutputTensorLayouts", self._compiled, 0, len(layouts), layouts, True)
        for tensor in self._outputs:
            tensor.kind.layout = layouts[tensor.place]
        for side, tensors in (("Input", self._inputs), ("Output", self._outputs)):
            for tensor in tensors:
                wanted = self._made(f"GetCompiledModel{side}BufferRequirements", self._compiled, 0, tensor.place)
                self._make_buffer(tensor, wanted)

    def _make_buffer(self, tensor: _Tensor, requirements: Handle) -> None:
        if tensor.buffer:
            self._litert.LiteRtDestroyTensorBuffer(tensor.buffer)
        kind = ctypes.byref(tensor.kind)
        made = "CreateManagedTensorBufferFromRequirements"
        tensor.buffer = self._made(made, self._environment, kind, requirements)
        packed = ctypes.c_size_t()
        self._call("GetTensorBufferPackedSize", tensor.buffer, ctypes.byref(packed))
        if packed.value != np.dtype(tensor.spec.dtype).itemsize * int(np.prod(tensor.shape)):
            raise RuntimeError(f"{tensor.spec.name} holds {packed.value} bytes, not those of {tensor.shape}")

    def _tensors(self, signature: Handle, side: str, specs: list[TensorSpec]) -> list[_Tensor]:
        """The graph's inputs or outputs; LiteRT has those of the signature, in an order of its own."""
        count = ctypes.c_size_t()
        self._call(f"GetNumSignature{side}s", signature, ctypes.byref(count))
        found = {}
        for place in range(count.value):
            tensor, kind = self._made(f"GetSignature{side}TensorByIndex", signature, place), _TensorType()
            self._call("GetRankedTensorType", tensor, ctypes.byref(kind))
            name = ctypes.c_char_p(self._made("GetTensorName", tensor).value).value or b""
            found[name.decode("utf-8", "replace")] = kind, place
        names = [spec.name for spec in specs]
        if sorted(names) != sorted(found) or len(found) != count.value:
            raise ValueError(f"the graph's {side.lower()}s are {names}, those of its signature {list(found)}")
        return [_Tensor(spec, *found[spec.name]) for spec in specs]

    def _call(self, name: str, *arguments: Any) -> None:
        # Integers of any width are passed as the widest: the callee looks at as many bits as it declares.
        words = (ctypes.c_size_t(each) if isinstance(each, int) else each for each in arguments)
        if status := getattr(self._litert, f"LiteRt{name}")(*words):
            raise RuntimeError(f"LiteRt{name} failed with status {status}")

    def _made(self, name: str, *arguments: Any, after: tuple[int, ...] = ()) -> Handle:
        """What a function returns through the pointer that follows its arguments."""
        result = Handle()
        self._call(name, *arguments, ctypes.byref(result), *after)
        return result


def _buffers(tensors: list[_Tensor]) -> ctypes.Array[Handle]:
    return (Handle * len(tensors))(*(tensor.buffer for tensor in sorted(tensors, key=lambda tensor: tensor.place)))


def _litert_file() -> Path:
    spec = importlib.util.find_spec("ai_edge_litert")
    assert spec and spec.origin
    return Path(spec.origin).parent / "libLiteRt.so"


def _load_kernels() -> ctypes.CDLL:
    kernels = ctypes.CDLL(str(build_binary_kernels(platform.machine())))
    for name in ("edgecompress_litert_open", "edgecompress_litert_model"):
        getattr(kernels, name).restype = Handle
    kernels.binary_kernels.restype = ctypes.c_char_p
    return kernels


def _open(kernels: ctypes.CDLL, content: bytes) -> Handle:
    why = ctypes.create_string_buffer(_WHY_BYTES)
    opened = kernels.edgecompress_litert_open(content, ctypes.c_size_t(len(content)), ctypes.c_size_t(1), why)
    if not opened:
        raise ValueError(why.value.decode("utf-8", "replace"))
    return Handle(opened)


def _check(array: np.ndarray, spec: TensorSpec) -> None:
    fits = len(array.shape) == len(spec.shape) and all(
        wanted in (-1, length) for length, wanted in zip(array.shape, spec.shape, strict=True)
    )
    if array.dtype != spec.dtype or not fits:
        raise ValueError(f"{spec.name} takes {spec.dtype} of {spec.shape}, got {array.dtype} of {array.shape}")
