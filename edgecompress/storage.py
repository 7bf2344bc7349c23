"""Files that appear whole or not at all, and values as JSON."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from edgecompress.errors import RunFolderError

Value = TypeVar("Value")

# The name of a file that is being written: hidden, and of a form that nothing else has, as `kill -9` may leave one.
_PART = ".edgecompress-part-"
_PART_NAME = re.compile(rf"{re.escape(_PART)}[a-z0-9_]{{8}}(\..*)?", re.DOTALL)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it becomes `path` at the end, or goes away if the block raises.

    Raises:
        RunFolderError: the folder cannot be written, the disk is full, or `path` is what must not be replaced.
    """
    require_replaceable(path)
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=_PART, suffix=path.suffix)
        os.close(handle)
        beside = Path(name)
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.chmod(0o644)
        beside.replace(path)
    except OSError as error:
        raise RunFolderError(
            f"Cannot write '{path}': {error.strerror or error}.", hint="Choose a folder that is writable and has room."
        ) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def require_replaceable(path: Path) -> None:
    """Raise `RunFolderError` where something other than an ordinary file is, such as a folder, a pipe or /dev/null.

    Renaming a file to the name of a device would take the device away from the whole system.
    """
    try:
        if os.path.lexists(path) and (not path.is_file() or path.absolute().is_relative_to("/dev")):
            what = "a folder" if path.is_dir() else "no ordinary file"
            raise RunFolderError(f"Cannot write '{path}': it is {what}.", hint="Choose another place.")
    except OSError as error:  # a name that is too long, or a folder that may not be looked into
        raise RunFolderError(
            f"Cannot write '{path}': {error.strerror or error}.", hint="Choose another place."
        ) from error


def is_part(path: Path) -> bool:
    """Return whether a file was being written when its writer was killed, and is a part of what it should become."""
    return _PART_NAME.fullmatch(path.name) is not None


def remove_parts(folder: Path) -> None:
    """Remove the parts of files that killed writers have left anywhere below `folder`; none may be at work there."""
    for path in folder.rglob(f"{_PART}*"):
        if is_part(path) and path.is_file():
            path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole."""
    with written_whole(path) as beside:
        beside.write_bytes(data)


def to_json(value: Any) -> str:
    """Return a value of `edgecompress.values`, or a list or dict of such, as indented JSON.

    What is not finite becomes a string, "NaN" or "Infinity", which JSON has no number for and `from_json` reads back. A
    file's name need not be UTF-8, as JSON must be: what is not becomes an escape such as "\\udcff".
    """
    import pydantic_core

    try:
        return pydantic_core.to_json(value, indent=2, inf_nan_mode="strings").decode() + "\n"
    except (pydantic_core.PydanticSerializationError, UnicodeEncodeError):
        return json.dumps(pydantic_core.to_jsonable_python(value, inf_nan_mode="strings"), indent=2) + "\n"


def from_json(kind: type[Value], path: Path) -> Value:
    """Read a value of type `kind` from a JSON file.

    Raises:
        RunFolderError: the file is missing, or does not hold such a value.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_json(path.read_bytes())
    except OSError as error:
        raise RunFolderError(f"Cannot read '{path}': {error.strerror or error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunFolderError(
            f"'{path}' is damaged: {first['msg']} at '{where}'.", hint="Make it anew with the command that wrote it."
        ) from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
