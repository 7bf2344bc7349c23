"""Arrays out of a NumPy archive.

Nothing in it is unpickled, and each array's header is compared with the archive's directory before memory is taken.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import numpy as np

from edgecompress.data.bounds import require_plausible
from edgecompress.errors import DataError

LAYOUT = "Expected the arrays x_train, y_train, x_test and y_test, or x and y."

# What zipfile and NumPy raise for it: OSError is an impossible offset, RuntimeError an encrypted member.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OSError, RuntimeError, NotImplementedError)


Found = TypeVar("Found")


class Kind(NamedTuple):
    """What the header of an array says."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]

    @property
    def size_bytes(self) -> int:
        """How many bytes of data follow it."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Read those of the named arrays that the archive holds.

    Raises:
        DataError: no such file, not a zip archive, damaged, with pickled objects, or with sizes that contradict each
            other.
    """
    return _from_members(path, names, _read_array)


def read_kinds(path: Path, names: Iterable[str]) -> dict[str, Kind]:
    """Read of what type and shape those of the named arrays are that the archive holds.

    Raises:
        DataError: as `read_arrays`.
    """
    return _from_members(path, names, lambda stream, kind, what: kind)


def _from_members(path: Path, names: Iterable[str], read: Callable[[IO[bytes], Kind, str], Found]) -> dict[str, Found]:
    if not path.is_file():
        raise DataError(f"There is no file {path}.", hint=LAYOUT)
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                stored = set(archive.namelist())
                return {name: _member(archive, name, path, read) for name in names if f"{name}.npy" in stored}
        except _DAMAGE as error:
            raise DataError(
                f"{path} is not an intact .npz archive: {error}.", hint="Write it with numpy.savez."
            ) from error


def _member(archive: zipfile.ZipFile, name: str, path: Path, read: Callable[[IO[bytes], Kind, str], Found]) -> Found:
    what = f"Array {name} of {path}"
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{what} is compressed by a method that numpy.savez does not use ({info.compress_type}).")
    require_plausible(info.file_size, info.compress_size, what)
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise DataError(f"{what} is of .npy version {version}, which only structured arrays need.")
        try:
            kind = Kind(*read_header(stream))
        except Exception as error:  # the header is a Python literal: damage raises whatever its parsers raise
            raise DataError(f"{what} has no readable header: {error}.") from error
        if kind.dtype.hasobject:
            raise DataError(f"{what} holds pickled Python objects, which are never loaded.", hint=LAYOUT)
        if min(kind.shape, default=0) < 0 or kind.size_bytes != info.file_size - stream.tell():
            raise DataError(
                f"{what} has a header for {kind.dtype} of shape {kind.shape}, and {info.file_size - stream.tell()} "
                "bytes of data."
            )
        return read(stream, kind, what)


def _read_array(stream: IO[bytes], kind: Kind, what: str) -> np.ndarray:
    data = stream.read(kind.size_bytes)
    if len(data) != kind.size_bytes:
        raise DataError(f"{what} is cut short: {len(data)} of {kind.size_bytes} bytes.")
    return np.frombuffer(data, kind.dtype).reshape(kind.shape, order="F" if kind.fortran_order else "C")
