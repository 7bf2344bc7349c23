"""Files that appear whole or not at all, and values as JSON."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from edgecompress.errors import RunFolderError

Value = TypeVar("Value")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; it becomes `path` at the end, or goes away if the block raises.

    Raises:
        RunFolderError: the folder cannot be written, or the disk is full.
    """
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}-", suffix=path.suffix)
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


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole."""
    with written_whole(path) as beside:
        beside.write_bytes(data)


def to_json(value: Any) -> str:
    """Return a value of `edgecompress.values`, or a list or dict of such, as indented JSON.

    What is not finite becomes a string, "NaN" or "Infinity", which JSON has no number for and `from_json` reads back.
    """
    import pydantic_core

    return pydantic_core.to_json(value, indent=2, inf_nan_mode="strings").decode() + "\n"


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
