"""A loaded model, whichever runtime holds it. Used in the child process only: a hostile file can crash a runtime."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol

import numpy as np

from edgecompress.errors import ModelFileError
from edgecompress.values import TensorSpec

RUNTIMES = {".tflite": "LiteRT", ".onnx": "ONNX Runtime"}  # by suffix
_SESSIONS = {".tflite": ("tflite", "TfliteSession"), ".onnx": ("onnx", "OnnxSession")}


class Session(Protocol):
    """A model in a runtime's memory, on one thread: `bind` its inputs, `invoke` it, `read` its outputs."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    runtime: str  # name and version

    def __init__(self, path: str) -> None:
        """Load the file and allocate; raises what the runtime raises."""

    def bind(self, arrays: list[np.ndarray]) -> None:
        """Put one array a model input in place, in the order of `inputs`."""

    def invoke(self) -> None:
        """Run one inference on what is in place."""

    def read(self) -> list[np.ndarray]:
        """Copy the outputs of the last inference, in the order of `outputs`."""


def runtime_name(path: str | Path) -> str:
    """The runtime for a file, by its suffix. Raises ModelFileError for any other."""
    suffix = Path(path).suffix.lower()
    if suffix not in RUNTIMES:
        raise ModelFileError(
            f"{Path(path).name} cannot be run: expected a file that ends in {' or '.join(RUNTIMES)}.",
            hint="Convert the model first.",
        )
    return RUNTIMES[suffix]


def open_session(path: str | Path) -> Session:
    """Load a file into the runtime that its suffix names. Raises ModelFileError if it names none."""
    runtime_name(path)
    module, name = _SESSIONS[Path(path).suffix.lower()]
    session: type[Session] = getattr(importlib.import_module(f"edgecompress.runtimes.{module}"), name)
    return session(str(path))
