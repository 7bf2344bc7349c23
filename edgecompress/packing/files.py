"""Model files on disk: which belong together, and writing them whole or not at all."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

from edgecompress.errors import ModelFileError, PackedFileError, RunFolderError
from edgecompress.formats.tflite.tables import IDENTIFIER
from edgecompress.packing.header import MAX_NAME_BYTES, is_safe
from edgecompress.packing.regions import onnx
from edgecompress.storage import written_whole

MAX_BYTES = 1 << 32  # of a model with all its files: they are held in memory


def read_model(path: Path) -> dict[str, bytes]:
    """Return a model and the files beside it that hold its external data, by name, the model first.

    Raises:
        ModelFileError: a file is missing, too large, or outside of the model's folder.
    """
    if not path.is_file():  # a device or a pipe might never end
        found = "is a folder" if path.is_dir() else "is no file" if path.exists() else "does not exist"
        raise ModelFileError(f"A .tflite or .onnx file was expected; '{path}' {found}.")
    files = {_name(path.name): _read(path, 0)}
    content = next(iter(files.values()))
    if content[4:8] == IDENTIFIER:
        return files
    _, places = onnx.find(content)
    folder = path.parent.resolve()
    for location in dict.fromkeys(place.location for place in places):
        beside = (folder / location).resolve() if location and _keeps(location) else folder
        if not beside.is_relative_to(folder) or not beside.is_file():
            raise ModelFileError(
                f"'{path}' keeps tensors in '{location[:200]}', which is no file in its folder.",
                hint="Put that file beside the model, not behind a link to elsewhere.",
            )
        if location not in files:
            files[location] = _read(beside, sum(map(len, files.values())))
        elif beside != path.resolve():  # the model's own name could not be kept, and the one it got is taken
            raise ModelFileError(f"'{path}' keeps tensors in '{location}'.", hint="Give the model a plain name.")
    return files


def read_packed(path: Path) -> bytes:
    """Return the bytes of a packed file.

    Raises:
        PackedFileError: there is no such file, or it is too large.
    """
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "is no file" if path.exists() else "does not exist"
        raise PackedFileError(f"A packed file was expected; '{path}' {found}.")
    try:
        return _read(path, 0)
    except ModelFileError as error:
        raise PackedFileError(error.message) from error


def write_model(path: Path, files: dict[str, bytes]) -> list[Path]:
    """Write a model to `path` and its other files beside it, all of them or none; return where they are.

    Raises:
        RunFolderError: the folder cannot be written.
        PackedFileError: a file's name leads out of the folder, through a link.
    """
    folder = path.parent.resolve()
    model, *others = files
    targets = {model: path} | {name: folder / name for name in others}
    for name in others:
        if not targets[name].resolve().is_relative_to(folder) or targets[name] == path.resolve():
            raise PackedFileError(f"'{name}' of the packed file would be written outside of '{folder}'.")
    for target in targets.values():  # else it would be found only after others were renamed
        if target.is_dir():
            raise RunFolderError(f"Cannot write '{target}': it is a folder.", hint="Choose another place.")
    with ExitStack() as stack:
        for name, content in files.items():  # renamed only when all are written
            stack.enter_context(written_whole(targets[name])).write_bytes(content)
    return list(targets.values())


def _name(name: str) -> str:
    """Return a file's name if it can be kept, else one that says what it is."""
    return name if _keeps(name) else "model"


def _keeps(name: str) -> bool:
    """Return whether a packed file can hold the name."""
    return is_safe(name) and len(os.fsencode(name)) <= MAX_NAME_BYTES


def _read(path: Path, before_bytes: int) -> bytes:
    size_bytes = path.stat().st_size
    if before_bytes + size_bytes > MAX_BYTES:
        raise ModelFileError(f"'{path}' has {size_bytes} bytes; at most {MAX_BYTES} are packed together.")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"Cannot read '{path}': {error.strerror or error}.") from error
