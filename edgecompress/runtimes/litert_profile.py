"""Per-operator times of a TFLite file, from the profiler behind LiteRT's C interface (`litert/c/*.h`).

The Python interpreter has no profiler, so the model is compiled once more through `libLiteRt.so`. XNNPACK reports each
operator that it runs; an operator that LiteRT runs itself (one that XNNPACK refused) is reported by its node, and its
name here is that of the tensor it computes. LiteRT counts in whole microseconds.

Only for the child process: a change of the C interface between releases would crash it.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgecompress.values import OperatorTime

WARM_UP_RUNS = 3

_CPU = 1  # kLiteRtHwAcceleratorCpu
_LOCK_WRITE = 1  # kLiteRtTensorBufferLockModeWrite
_OPERATOR, _DELEGATED = 1 << 1, 1 << 3  # event types
_CANARY = 0xA5


class _Layout(ctypes.Structure):
    _fields_ = (("rank_and_flags", ctypes.c_uint32), ("dims", ctypes.c_int32 * 8), ("strides", ctypes.c_uint32 * 8))


class _TensorType(ctypes.Structure):
    _fields_ = (("element_type", ctypes.c_int), ("layout", _Layout))


class _RawEvent(ctypes.Structure):
    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory_before", ctypes.c_int64 * 3),
        ("memory_after", ctypes.c_int64 * 3),
        ("index", ctypes.c_uint64),
        ("subgraph", ctypes.c_uint64),
        ("source", ctypes.c_int),
    )


class Event(NamedTuple):
    """One operator in one inference, copied out of the library's memory, which the next inference uses again."""

    kind: str
    delegated: bool
    subgraph: int
    node: int  # index in the subgraph, or among XNNPACK's operators
    elapsed_us: int


def operator_times(path: str, arrays: list[np.ndarray], *, threads: int, runs: int) -> tuple[OperatorTime, ...]:
    """Mean time of each operator over `runs` warm inferences, in order of execution.

    Raises RuntimeError naming the call of the C interface that failed, or if an inference's operators are not those
    of the one before (control flow), for which there is no one table.
    """
    model = _ProfiledModel(path, arrays, threads=threads)
    for _ in range(WARM_UP_RUNS):
        model.run()
    inferences = [model.profiled_run() for _ in range(runs)]
    labels = [model.label(event, position) for position, event in enumerate(inferences[0])]
    if any([event[:-1] for event in events] != [event[:-1] for event in inferences[0]] for events in inferences):
        raise RuntimeError("the operators differ from one inference to the next")
    elapsed_us = np.array([[event.elapsed_us for event in events] for events in inferences])
    means_us = elapsed_us.mean(axis=0).tolist()
    return tuple(OperatorTime(*label, 1000 * mean, 1.0) for label, mean in zip(labels, means_us, strict=True))


class _ProfiledModel:
    """A model compiled with the profiler on. Nothing is destroyed: the process ends soon after."""

    def __init__(self, path: str, arrays: list[np.ndarray], *, threads: int) -> None:
        self._library = ctypes.CDLL(str(_library_path()))
        self._keep: list[Any] = []  # memory that the library holds on to
        self._environment = self._make("LiteRtCreateEnvironment", 0, None)
        self._model = self._make("LiteRtCreateModelFromFile", self._environment, path.encode())
        options = self._make("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, _CPU)
        for identifier, text in (
            (b"xnnpack", f"num_threads = {threads}\n"),
            (b"runtime_options_string", "enable_profiling = true\n"),
        ):
            payload = ctypes.create_string_buffer(text.encode())
            release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: None)
            self._keep += [payload, release]
            opaque = self._make("LiteRtCreateOpaqueOptions", identifier, payload, release)
            self._call("LiteRtAddOpaqueOptions", options, opaque)
        self._compiled = self._make("LiteRtCreateCompiledModel", self._environment, self._model, options)
        self._profiler = self._make("LiteRtCompiledModelGetProfiler", self._compiled)
        self._signature = self._make("LiteRtGetModelSignature", self._model, ctypes.c_size_t(0))
        self._inputs = self._input_buffers(arrays)
        self._outputs = self._output_buffers()

    def run(self) -> None:
        """Run one inference."""
        count = ctypes.c_size_t
        self._call(
            "LiteRtRunCompiledModel",
            self._compiled,
            count(0),
            count(len(self._inputs)),
            self._inputs,
            count(len(self._outputs)),
            self._outputs,
        )

    def profiled_run(self) -> list[Event]:
        """Run one inference and return its operators' events."""
        self._call("LiteRtResetProfiler", self._profiler)
        self._call("LiteRtStartProfiler", self._profiler)
        self.run()
        self._call("LiteRtStopProfiler", self._profiler)
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, ctypes.byref(count))
        # The library writes its own idea of an event. Twice the room, and a look at where it stopped, tell whether
        # that is still ours, before a field is believed.
        memory = (ctypes.c_ubyte * (2 * count.value * ctypes.sizeof(_RawEvent)))()
        ctypes.memset(memory, _CANARY, len(memory))
        self._call("LiteRtGetProfilerEvents", self._profiler, count, memory)
        written = np.flatnonzero(np.ctypeslib.as_array(memory) != _CANARY)
        end = count.value * ctypes.sizeof(_RawEvent)
        if not written.size or not end - ctypes.sizeof(_RawEvent) < written[-1] < end:
            raise RuntimeError("LiteRtGetProfilerEvents wrote events of an unknown form")
        return [
            Event(
                (raw.tag or b"").decode(errors="replace"),
                raw.type == _DELEGATED,
                raw.subgraph,
                raw.index,
                raw.elapsed_us,
            )
            for raw in (_RawEvent * count.value).from_buffer(memory)
            if raw.type in (_OPERATOR, _DELEGATED)
        ]

    def label(self, event: Event, position: int) -> tuple[str, str]:
        """Name and kind of the operator of an event at that position in its inference."""
        if event.delegated:
            return f"XNNPACK operator {position}", f"XNNPACK {event.kind}"
        count = ctypes.c_size_t
        subgraph = self._make("LiteRtGetModelSubgraph", self._model, count(event.subgraph))
        operator = self._make("LiteRtGetSubgraphOp", subgraph, count(event.node))
        tensor = self._make("LiteRtGetOpOutput", operator, count(0))
        name = ctypes.c_char_p()
        self._call("LiteRtGetTensorName", tensor, ctypes.byref(name))
        return (name.value or b"").decode(errors="replace"), event.kind

    def _input_buffers(self, arrays: list[np.ndarray]) -> ctypes.Array:
        buffers = (ctypes.c_void_p * self._count("Input"))()
        for index, array in enumerate(arrays):
            tensor_type = self._tensor_type("Input", index)
            layout = tensor_type.layout
            if -1 in layout.dims[: array.ndim]:
                layout.dims[: array.ndim] = array.shape
                resize = "LiteRtCompiledModelResizeInputTensor"
                rank = ctypes.c_size_t(array.ndim)
                self._call(resize, self._compiled, ctypes.c_size_t(0), ctypes.c_size_t(index), layout.dims, rank)
            buffers[index] = self._buffer("Input", index, tensor_type)
            self._fill(ctypes.c_void_p(buffers[index]), array)
        return buffers

    def _output_buffers(self) -> ctypes.Array:
        count = self._count("Output")
        buffers, layouts = (ctypes.c_void_p * count)(), (_Layout * count)()
        read_layouts = "LiteRtGetCompiledModelOutputTensorLayouts"
        self._call(read_layouts, self._compiled, ctypes.c_size_t(0), ctypes.c_size_t(count), layouts, True)
        for index in range(count):
            tensor_type = self._tensor_type("Output", index)
            tensor_type.layout = layouts[index]
            buffers[index] = self._buffer("Output", index, tensor_type)
        return buffers

    def _count(self, side: str) -> int:
        count = ctypes.c_size_t()
        self._call(f"LiteRtGetNumSignature{side}s", self._signature, ctypes.byref(count))
        return count.value

    def _tensor_type(self, side: str, index: int) -> _TensorType:
        tensor = self._make(f"LiteRtGetSignature{side}TensorByIndex", self._signature, ctypes.c_size_t(index))
        tensor_type = _TensorType()
        self._call("LiteRtGetRankedTensorType", tensor, ctypes.byref(tensor_type))
        return tensor_type

    def _buffer(self, side: str, index: int, tensor_type: _TensorType) -> int | None:
        requirements = f"LiteRtGetCompiledModel{side}BufferRequirements"
        needs = self._make(requirements, self._compiled, ctypes.c_size_t(0), ctypes.c_size_t(index))
        create = "LiteRtCreateManagedTensorBufferFromRequirements"
        return self._make(create, self._environment, ctypes.byref(tensor_type), needs).value

    def _fill(self, buffer: ctypes.c_void_p, array: np.ndarray) -> None:
        size, address = ctypes.c_size_t(), ctypes.c_void_p()
        self._call("LiteRtGetTensorBufferPackedSize", buffer, ctypes.byref(size))
        if size.value != array.nbytes:
            raise RuntimeError(f"an input holds {size.value} bytes, but {array.nbytes} were given")
        self._call("LiteRtLockTensorBuffer", buffer, ctypes.byref(address), _LOCK_WRITE)
        ctypes.memmove(address, np.ascontiguousarray(array).ctypes.data, array.nbytes)
        self._call("LiteRtUnlockTensorBuffer", buffer)

    def _make(self, name: str, *arguments: Any) -> ctypes.c_void_p:
        """Call a function whose last argument is where it puts a handle, and return the handle."""
        handle = ctypes.c_void_p()
        self._call(name, *arguments, ctypes.byref(handle))
        return handle

    def _call(self, name: str, *arguments: Any) -> None:
        function: Callable[..., int] = getattr(self._library, name)
        status = function(*arguments)
        if status != 0:
            raise RuntimeError(f"{name} failed with status {status}")


def _library_path() -> Path:
    spec = importlib.util.find_spec("ai_edge_litert")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("ai_edge_litert is not installed")
    return Path(spec.submodule_search_locations[0]) / "libLiteRt.so"
