"""A loaded model, whichever runtime holds it. Used in the child process only: a hostile file can crash a runtime."""

from __future__ import annotations

import importlib
import mmap
import platform
from pathlib import Path
from typing import Protocol

import numpy as np

from edgecompress.errors import ModelFileError, UnsupportedModelError
from edgecompress.native.build import build_binary_kernels
from edgecompress.runtimes.engines.registration import can_register
from edgecompress.values import TensorSpec

# LiteRT's families of kernels round in different places: its own choice, its older ones for processors, its reference.
KERNELS = ("xnnpack", "builtin", "reference")
DEFAULT_KERNELS = KERNELS[0]
OUR_KERNELS = "edgecompress"  # of a file with binary operators, which runs by them alone
RUNTIMES = {".tflite": "LiteRT", ".onnx": "ONNX Runtime"}  # by suffix
_SESSIONS = {".tflite": ("tflite", "TfliteSession"), ".onnx": ("onnx", "OnnxSession")}
_BINARY_SESSIONS = {".tflite": ("tflite_binary", "BinaryTfliteSession"), ".onnx": ("onnx", "BinaryOnnxSession")}
_BINARY_OPERATORS = {
    ".tflite": (b"LceQuantize", b"LceDequantize", b"LceBMaxPool2d", b"LceBconv2d"),  # Larq Compute Engine's names
    ".onnx": (b"BinaryQuantize", b"BinaryConv2d", b"BinaryMaxPool", b"BinaryDequantize"),
}


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


def has_binary_operators(path: str | Path) -> bool:
    """Whether a file names an operator that its runtime has no kernel for, and we have."""
    names = _BINARY_OPERATORS.get(Path(path).suffix.lower(), ())
    if not names or not Path(path).stat().st_size:
        return False
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(name) >= 0 for name in names)


def prepare(path: str | Path) -> None:
    """Build the kernels that a session of the file will load, if any: the compiler needs more than a child may take.

    An ONNX file can do without.
    """
    if has_binary_operators(path) and (runtime_name(path) == "LiteRT" or can_register()):
        build_binary_kernels(platform.machine())


def open_session(
    path: str | Path, *, plain: bool = False, kernels: str = DEFAULT_KERNELS, as_written: bool = False
) -> Session:
    """Load a file into the runtime that its suffix names, or with `plain` into the runtime as it is installed.

    `kernels` is one of LiteRT's families, which only TFLite files without binary operators can choose; `as_written` has
    ONNX Runtime compute the nodes of an ONNX file without optimizing them.

    Raises ModelFileError if the suffix names no runtime, UnsupportedModelError where there is no such choice.
    """
    if as_written:
        if runtime_name(path) != "ONNX Runtime":
            raise UnsupportedModelError(f"{Path(path).name} cannot be run as written: only ONNX Runtime can do that.")
        return importlib.import_module("edgecompress.runtimes.engines.onnx").OnnxSession(str(path), as_written=True)
    if kernels != DEFAULT_KERNELS:
        if runtime_name(path) != "LiteRT" or has_binary_operators(path):
            raise UnsupportedModelError(
                f"{Path(path).name} cannot be run by {kernels} kernels: they are LiteRT's, without binary operators."
            )
        return importlib.import_module("edgecompress.runtimes.engines.tflite").TfliteSession(str(path), kernels=kernels)
    runtime_name(path)
    sessions = _BINARY_SESSIONS if has_binary_operators(path) and not plain else _SESSIONS
    module, name = sessions[Path(path).suffix.lower()]
    session: type[Session] = getattr(importlib.import_module(f"edgecompress.runtimes.engines.{module}"), name)
    return session(str(path))
