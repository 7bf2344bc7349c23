"""The Python runner's two runtimes, each with a model in it; pushed to devices, as that is."""

from __future__ import annotations

import json
import os
import tempfile
import time
from base64 import b64decode
from typing import Any

import numpy as np

WARM_UP_RUNS = 3
# An ONNX file with one node, MatMulInteger; see `runtimes/engines/precision.py`.
PROBE = "CAU6QgoYCgF4CgF3EgF5Ig1NYXRNdWxJbnRlZ2VyEgFnKg0IAggBEANCAXdKAn9/WgkKAXgSBAoCCAJiCQoBeRIECgIIBkIECgAQCg=="


class Litert:
    """A model in LiteRT's Python interpreter."""

    def __init__(self, path: str, threads: int, shapes: list[list[int]]) -> None:
        from importlib.metadata import version

        from ai_edge_litert.interpreter import Interpreter

        self.version = version("ai-edge-litert")
        start_ns = time.monotonic_ns()
        self._interpreter = Interpreter(model_path=path, num_threads=threads)
        for position, detail in enumerate(self._interpreter.get_input_details()):
            shape = _fixed(detail["name"], detail["shape_signature"], shapes, position)
            if shape != detail["shape"].tolist():
                self._interpreter.resize_tensor_input(detail["index"], shape, strict=True)
        self._interpreter.allocate_tensors()
        self.load_ns = time.monotonic_ns() - start_ns
        self._inputs, self._outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.inputs = [(each["name"], np.dtype(each["dtype"]), list(map(int, each["shape"]))) for each in self._inputs]
        self.invoke = self._interpreter.invoke

    def write(self, arrays: list[np.ndarray]) -> None:
        """Put the inputs in place, and forget what was kept of earlier inferences."""
        self._interpreter.reset_all_variables()
        for detail, array in zip(self._inputs, arrays):  # noqa: B905 (older Pythons lack strict)
            self._interpreter.set_tensor(detail["index"], array)

    def read(self) -> list[tuple[str, np.ndarray]]:
        """Copy the outputs."""
        return [(each["name"], self._interpreter.get_tensor(each["index"])) for each in self._outputs]

    def operators(self, runs: int) -> dict[str, Any]:
        """LiteRT's Python interface does not tell."""
        return {"operators": [], "note": "LiteRT's Python interface does not tell operators' times"}


class Onnx:
    """A model in ONNX Runtime, with its inputs and outputs bound, so that `invoke` copies nothing."""

    def __init__(self, path: str, threads: int, shapes: list[list[int]]) -> None:
        import onnxruntime

        self._module, self._path = onnxruntime, path
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads, self._options.inter_op_num_threads = threads, 1
        self._options.log_severity_level = 4
        if self._saturates():  # on x86 without VNNI
            self._options.add_session_config_entry("session.x64quantprecision", "1")
        self.version = onnxruntime.__version__
        start_ns = time.monotonic_ns()
        self._session = self._open(self._path)
        self.load_ns = time.monotonic_ns() - start_ns
        self.inputs = [
            (each.name, _dtype(each.type), _fixed(each.name, each.shape, shapes, position))
            for position, each in enumerate(self._session.get_inputs())
        ]
        self._feed: dict[str, np.ndarray] = {}

    def write(self, arrays: list[np.ndarray]) -> None:
        """Bind the inputs."""
        self._feed = {name: array for (name, _, _), array in zip(self.inputs, arrays)}  # noqa: B905
        binding = self._session.io_binding()
        for name, array in self._feed.items():
            binding.bind_cpu_input(name, array)
        for output in self._session.get_outputs():
            binding.bind_output(output.name, "cpu")
        self._binding = binding

    def invoke(self) -> None:
        """Run one inference."""
        self._session.run_with_iobinding(self._binding)

    def read(self) -> list[tuple[str, np.ndarray]]:
        """Copy the outputs."""
        names = [each.name for each in self._session.get_outputs()]
        return list(zip(names, self._binding.copy_outputs_to_cpu()))  # noqa: B905

    def operators(self, runs: int) -> dict[str, Any]:
        """Return the trace of an instance with the runtime's profiler on."""
        with tempfile.TemporaryDirectory() as folder:
            self._options.enable_profiling = True
            self._options.profile_file_prefix = os.path.join(folder, "trace")  # noqa: PTH118
            session = self._open(self._path)
            for _ in range(WARM_UP_RUNS + runs):
                session.run(None, self._feed)
            with open(session.end_profiling()) as file:  # noqa: PTH123
                return {"warm_up": WARM_UP_RUNS, "trace": json.load(file)}

    def _saturates(self) -> bool:
        """Whether products of uint8 and int8 are summed wrongly unless the runtime is told to be exact."""
        probe = self._open(b64decode(PROBE))
        return probe.run(None, {"x": np.full((1, 2), 255, np.uint8)})[0].item() != 2 * 255 * 127

    def _open(self, model: Any) -> Any:
        return self._module.InferenceSession(model, self._options, providers=["CPUExecutionProvider"])


def _dtype(name: str) -> np.dtype:
    inner = name[7:-1] if name.startswith("tensor(") else name
    return np.dtype({"float": "float32", "double": "float64"}.get(inner, inner))


def _fixed(name: str, own: Any, asked: list[list[int]], position: int) -> list[int]:
    """The shape that was asked for, or the model's with a batch of one; whatever is no number is free."""
    shape = [int(length) if isinstance(length, (int, np.integer)) else -1 for length in own]
    if asked and (position >= len(asked) or len(asked[position]) != len(shape)):
        raise ValueError(f"input {name} has {len(shape)} axes, and another number was asked for")
    if not asked and -1 in shape[1:]:
        now = "x".join("?" if length < 0 else str(length) for length in shape)
        give = ("1" + now[1:] if now[0] == "?" else now).replace("?", "N")
        raise ValueError(
            f"{name} has the shape {now}, of which only the first axis may be free: give --shape '{name}={give}'"
        )
    return asked[position] if asked else [1 if length < 0 else length for length in shape]
