"""The binary kernels in ONNX Runtime: the operators of the domain "edgecompress" in place of a file's functions."""

from __future__ import annotations

import ctypes
import platform
from pathlib import Path
from typing import Any

from edgecompress.errors import DeviceError
from edgecompress.native.build import build_binary_kernels, can_build
from edgecompress.runtimes.engines.precision import require_precision


def can_register() -> bool:
    """Whether the kernels can be built for this processor, or were."""
    return can_build(platform.machine())


def register(session_options: Any, *, kernels: Path | None = None) -> str:
    """Have the sessions of an `onnxruntime.SessionOptions` use the kernels; return the name of the code they run.

    A file with binary operators runs without them as well, several times slower, and gives the same bits. Its int8
    layers are made exact on every processor (`precision`). `kernels` is a library to load in place of the one that is
    built for this processor.

    Raises:
        DeviceError: the library cannot be built, or ONNX Runtime does not take it.
    """
    library = kernels or build_binary_kernels(platform.machine())
    try:
        session_options.register_custom_ops_library(str(library))
        loaded = ctypes.CDLL(str(library))
        loaded.binary_kernels.restype = ctypes.c_char_p
        name: bytes = loaded.binary_kernels()
        require_precision(session_options)
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        raise DeviceError(
            f"ONNX Runtime does not take the kernels in {library}: {error}",
            hint="They need ONNX Runtime 1.17 or newer.",
        ) from error
    return name.decode()
