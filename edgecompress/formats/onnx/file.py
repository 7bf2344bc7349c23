"""Reads an `.onnx` file without running the model, in a process of its own: shape inference is native code."""

from __future__ import annotations

from pathlib import Path

from edgecompress.child.kept import child
from edgecompress.child.process import ChildLost, ChildRefusal, ChildTimeout
from edgecompress.child.service import Limits, Service
from edgecompress.errors import ModelFileError
from edgecompress.formats.summary import ModelSummary

TIMEOUT_S = 60.0
MAX_FILE_BYTES = 2**31  # protobuf's own limit; larger models keep their tensors in files beside
# A summary is as long as the model is deep.
ONNX = Service("edgecompress.formats.onnx.service", Limits(header_bytes=2**28))


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
    try:
        with child(ONNX) as reader:
            summary, _ = reader.request("summary", timeout_s=timeout_s, path=str(path.resolve()))
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error.message}", hint=error.hint) from error
    except ChildTimeout as error:
        raise ModelFileError(f"{path} could not be read within {timeout_s:g} s.") from error
    except ChildLost as error:
        said = f"The last line of its log: {error.last_words}." if error.last_words else ""
        raise ModelFileError(f"{path} cannot be read: its reader {error.what}.", hint=said) from error
    except ChildRefusal as error:
        raise ModelFileError(f"{path} cannot be read: {error}.") from error
    from pydantic import TypeAdapter

    return TypeAdapter(ModelSummary).validate_python(summary)
