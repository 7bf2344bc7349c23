"""Reads `.h5` and `.keras` model files without TensorFlow, in a child process that a damaged file may hang or crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecompress.errors import ModelFileError, UnsupportedModelError
from edgecompress.formats.keras_code import Code
from edgecompress.formats.summary import ModelSummary

TIMEOUT_S = 60.0  # a file of ordinary size takes a quarter of a second; a damaged one can hang the HDF5 library
_ERRORS = {error.__name__: error for error in (ModelFileError, UnsupportedModelError)}


@dataclass(frozen=True)
class CheckedModel:
    """What a model file says about itself, and the copy of it that is safe to load."""

    code: tuple[Code, ...]
    keras_version: str  # that wrote it; "" where it does not say
    path: Path | None  # of the copy; None where there is code


def read_keras(path: Path, *, timeout_s: float = TIMEOUT_S) -> ModelSummary:
    """Summarize a `.h5` or `.keras` file: layers, shapes, counts, and the bits and zeros of the stored kernels.

    Raises:
        ModelFileError: the file is no Keras model file, is damaged, holds weights only, or exceeds a bound.
        UnsupportedModelError: the model is of a class of its own.
    """
    from pydantic import TypeAdapter

    return TypeAdapter(ModelSummary).validate_python(_ask("summary", path, timeout_s))


def copy_checked(path: Path, folder: Path, *, timeout_s: float = TIMEOUT_S) -> CheckedModel:
    """Say what in a model file is code; if nothing is, write what was checked of the file into a folder.

    Keras then loads that copy: it holds the config that was judged, arrays, and nothing that leads elsewhere.

    Raises:
        ModelFileError: as `read_keras` does, or because a weight is kept outside the file.
    """
    from pydantic import TypeAdapter

    return TypeAdapter(CheckedModel).validate_python(_ask("copy", path, timeout_s, str(folder.absolute())))


def check_keras(path: Path, *, timeout_s: float = TIMEOUT_S) -> None:
    """Read every weight of a model or weight file, so that the file is then safe to open in this process.

    Raises:
        ModelFileError: the file is no Keras file, is damaged, or exceeds a bound.
    """
    _ask("check", path, timeout_s)


def _ask(request: str, path: Path, timeout_s: float, *arguments: str) -> Any:
    # -P: no module is imported from the working folder
    module = "edgecompress.formats.keras_worker"
    command = [sys.executable, "-P", "-m", module, request, str(path.absolute()), *arguments]
    try:
        with tempfile.TemporaryDirectory() as scratch:  # ours to remove: a child that is killed removes nothing
            child = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout_s,
                env={**os.environ, "TMPDIR": scratch},
            )
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(
            f"{path} could not be read within {timeout_s:g} s; it is probably damaged.",
            hint="Save or copy the model again.",
        ) from error
    if child.returncode:
        raise ModelFileError(f"{path} cannot be read: {_ending(child)}.", hint="Save or copy the model again.")
    answer = json.loads(child.stdout)
    if "error" in answer:
        raise _ERRORS[answer["error"]](answer["message"], hint=answer["hint"])
    return answer["answer"]


def _ending(child: subprocess.CompletedProcess[bytes]) -> str:
    if child.returncode < 0:
        return f"the HDF5 library crashed on it ({signal.Signals(-child.returncode).name})"
    lines = child.stderr.decode(errors="replace").strip().splitlines()
    return f"its reader ended with {lines[-1][:300] if lines else f'exit status {child.returncode}'}"
