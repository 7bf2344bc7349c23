"""A loaded model, whichever runtime holds it. Used in the child process only: a hostile file can crash a runtime."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol

import numpy as np

from edgecompress.errors import ModelFileError
from edgecompress.values import OperatorTime, TensorSpec

RUNTIMES = {".tflite": "LiteRT", ".onnx": "ONNX Runtime"}  # by suffix
_SESSIONS = {".tflite": ("tflite", "TfliteSession"), ".onnx": ("onnx", "OnnxSession")}


class Session(Protocol):
    """A model in a runtime's memory; `bind`, `invoke` and `read` are apart, so that a clock can stand around one."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    runtime: str  # name and version

    def __init__(self, path: str, *, threads: int) -> None:
        """Load the file and allocate; raises what the runtime raises."""

    def bind(self, arrays: list[np.ndarray]) -> None:
        """Put one array a model input in place, in the order of `inputs`."""

    def invoke(self) -> None:
        """Run one inference on what is in place."""

    def read(self) -> list[np.ndarray]:
        """Copy the outputs of the last inference, in the order of `outputs`."""

    def operator_times(self, arrays: list[np.ndarray], runs: int) -> tuple[OperatorTime, ...]:
        """Profile `runs` warm inferences in a second, instrumented instance; operators in order of execution."""


def runtime_name(path: str | Path) -> str:
    """The runtime for a file, by its suffix. Raises ModelFileError for any other."""
    suffix = Path(path).suffix.lower()
    if suffix not in RUNTIMES:
        raise ModelFileError(
            f"{Path(path).name} cannot be run: expected a file that ends in {' or '.join(RUNTIMES)}.",
            hint="Convert the model first.",
        )
    return RUNTIMES[suffix]


def session_type(path: str | Path) -> type[Session]:
    """Import the runtime for a file and return its session class; importing is not part of a model's load time."""
    runtime_name(path)
    module, name = _SESSIONS[Path(path).suffix.lower()]
    return getattr(importlib.import_module(f"edgecompress.runtimes.{module}"), name)


def open_session(path: str | Path, *, threads: int) -> Session:
    """Load a file into the runtime that its suffix names."""
    return session_type(path)(str(path), threads=threads)
