"""Reads a model file of any format that there is a reader for: told by its content, else by its suffix."""

from __future__ import annotations

import zipfile
from pathlib import Path

from edgecompress.errors import ModelFileError
from edgecompress.formats.summary import ModelSummary

SUFFIXES = {".tflite": "tflite", ".onnx": "onnx", ".h5": "keras", ".hdf5": "keras", ".keras": "keras"}
EXPECTED = "a .tflite, .onnx, .h5 or .keras file"
_TFLITE_IDENTIFIER = b"TFL3"  # at byte 4
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ZIP_SIGNATURE = b"PK\x03\x04"


def read_model(path: Path) -> ModelSummary:
    """Summarize a model file without running it.

    Raises:
        ModelFileError: missing, no model, or a damaged one; says what was expected.
        UnsupportedModelError: intact, but of a form that its reader does not know.
    """
    if not path.is_file():  # a device or a pipe might never end
        found = "is a folder" if path.is_dir() else "is no file" if path.exists() else "does not exist"
        raise ModelFileError(f"Expected {EXPECTED}; {path} {found}.", hint=_folder_hint(path))
    kind = _kind_of_content(path) or SUFFIXES.get(path.suffix.lower())
    if kind == "tflite":
        from edgecompress.formats.tflite.summary import read_tflite

        return read_tflite(path)
    if kind == "keras":
        from edgecompress.formats.keras.file import read_keras

        return read_keras(path)
    if kind == "onnx":
        from edgecompress.formats.onnx.file import read_onnx

        return read_onnx(path)
    raise ModelFileError(
        f"{path} is not a model file: expected {EXPECTED}; its content is none of these, and its name ends otherwise.",
        hint="An ONNX file is recognized by the suffix .onnx.",
    )


def _kind_of_content(path: Path) -> str | None:
    """The format that the first bytes show; an ONNX file has none that would."""
    try:
        with path.open("rb") as file:
            first = file.read(8)
    except OSError as error:
        raise ModelFileError(f"Cannot read {path}: {error.strerror or error}.") from error
    if first[4:] == _TFLITE_IDENTIFIER:
        return "tflite"
    if first == _HDF5_SIGNATURE or (first.startswith(_ZIP_SIGNATURE) and _holds_config(path)):
        return "keras"
    return None


def _holds_config(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "config.json" in archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        return False


def _folder_hint(path: Path) -> str:
    if not path.is_dir():
        return ""
    models = sorted(each.name for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
    return f"It holds {', '.join(models[:5])}{' and others' if len(models) > 5 else ''}." if models else ""
