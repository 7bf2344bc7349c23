"""Reads `.h5` and `.keras` model files without TensorFlow, in a child process that a damaged file may hang or crash."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgecompress.child.kept import child
from edgecompress.child.process import ChildLost, ChildRefusal, ChildTimeout
from edgecompress.child.service import Limits, Service
from edgecompress.errors import ModelFileError
from edgecompress.formats.keras.allowed.code import Code
from edgecompress.formats.summary import ModelSummary

TIMEOUT_S = 60.0  # a file of ordinary size takes a quarter of a second; a damaged one can hang the HDF5 library

# A summary is as long as the model is deep, and a copy as large as its weights.
KERAS = Service("edgecompress.formats.keras.service", Limits(file_bytes=2**32, header_bytes=2**28))


@dataclass(frozen=True)
class CheckedModel:
    """What a model file says about itself, and the copy of it that is safe to load."""

    code: tuple[Code, ...]
    keras_version: str  # that wrote it; "" where it does not say
    name: Literal["model.h5", "model.keras"] | None  # of the copy in its folder; None where there is code
    elements: int | None  # of all weights in the copy; None where there is none


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

    answer = _ask("copy", path, timeout_s, folder=str(folder.absolute()))
    return TypeAdapter(CheckedModel).validate_python(answer)


def check_keras(path: Path, *, timeout_s: float = TIMEOUT_S) -> None:
    """Read every weight of a model or weight file, so that the file is then safe to open in this process.

    Raises:
        ModelFileError: the file is no Keras file, is damaged, or exceeds a bound.
    """
    _ask("check", path, timeout_s)


def _ask(request: str, path: Path, timeout_s: float, **arguments: Any) -> Any:
    try:
        with child(KERAS) as reader:
            return reader.request(request, timeout_s=timeout_s, path=str(path.absolute()), **arguments)[0]
    except ChildTimeout as error:
        raise ModelFileError(
            f"{path} could not be read within {timeout_s:g} s; it is probably damaged.",
            hint="Save or copy the model again.",
        ) from error
    except ChildLost as error:
        said = f": {error.last_words}" if error.last_words else ""
        raise ModelFileError(
            f"{path} cannot be read: its reader {error.what}{said}.", hint="Save or copy the model again."
        ) from error
    except ChildRefusal as error:
        raise ModelFileError(f"{path} cannot be read: {error}.", hint="Save or copy the model again.") from error
