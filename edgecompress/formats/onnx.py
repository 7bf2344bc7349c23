"""Reads an `.onnx` file without running the model, in a process of its own: shape inference is native code."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from edgecompress.errors import ModelFileError
from edgecompress.formats.summary import ModelSummary

TIMEOUT_S = 60.0
MAX_FILE_BYTES = 2**31  # protobuf's own limit; larger models keep their tensors in files beside
_REASON_CHARACTERS = 300


def read_onnx(path: Path, *, timeout_s: float = TIMEOUT_S) -> ModelSummary:
    """Summarize an ONNX file: each node but `Constant` is a layer, as they stand in nested graphs and functions too.

    A call of one of edgecompress's binary functions is one layer, with weights of 1 bit. A kernel is recognized behind
    DequantizeLinear, Cast and changes of layout. One that several nodes share counts where it is used first; the
    multiply-adds of a loop's body count once, those of recurrent layers not at all. Kernels in other files are read
    from the model's folder and from nowhere else.

    Raises:
        ModelFileError: no ONNX file, cut short or contradictory, beyond a bound, or data of it is missing; says where.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "is no file" if path.exists() else "does not exist"
        raise ModelFileError(f"A .onnx file was expected; {path} {found}.")
    size_bytes = path.stat().st_size
    if size_bytes > MAX_FILE_BYTES:
        raise ModelFileError(f"{path} has {size_bytes} bytes; at most {MAX_FILE_BYTES} are read.")
    command = [sys.executable, "-P", "-m", "edgecompress.formats.onnx_worker", str(path.resolve())]
    try:
        child = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(f"{path} could not be read within {timeout_s:g} s.") from error
    if child.returncode:
        raise ModelFileError(f"{path} cannot be read: its reader {_ending(child)}.", hint=_last_line(child.stderr))
    answer = json.loads(child.stdout)
    if "error" in answer:
        raise ModelFileError(f"{path}: {answer['error']}", hint=answer["hint"])
    from pydantic import TypeAdapter

    return TypeAdapter(ModelSummary).validate_python(answer["summary"])


def _ending(child: subprocess.CompletedProcess[bytes]) -> str:
    if child.returncode < 0:
        return f"crashed ({signal.Signals(-child.returncode).name})"
    return f"ended (exit status {child.returncode})"


def _last_line(log: bytes) -> str:
    lines = log.decode(errors="replace").strip().splitlines()
    return f"The last line of its log: {lines[-1][:_REASON_CHARACTERS]}" if lines else ""
