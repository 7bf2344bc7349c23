"""Read a CIFAR batch, a Python 2 pickle of a dictionary, without running anything that it names.

A pickle is a program. Three things keep this one harmless: only the instructions that CIFAR's files use are let in,
few containers and memo slots are allowed (nesting or memory could crash the interpreter), and each function or class
that it names becomes a note of the name and of what it was called with.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

import numpy as np

from edgecompress.errors import DataError

_CONTAINERS = frozenset({"EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})
_FILLING = frozenset({"MARK", "SETITEM", "SETITEMS", "APPEND", "APPENDS"})
_PLAIN = frozenset({"NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "BINSTRING", "SHORT_BINSTRING"})
_REMEMBERING = frozenset({"BINPUT", "LONG_BINPUT"})
_RECALLING = frozenset({"BINGET", "LONG_BINGET"})
_STRUCTURE = frozenset({"PROTO", "STOP", "GLOBAL", "REDUCE", "BUILD"})
_INSTRUCTIONS = _CONTAINERS | _FILLING | _PLAIN | _REMEMBERING | _RECALLING | _STRUCTURE

_MAX_CONTAINERS = 32  # a CIFAR batch has about ten
_MAX_MEMO_SLOT = 1 << 20  # a CIFAR batch remembers each of its 10,000 file names

_GLOBALS = frozenset(
    {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype"}
)


class _Note:
    """Stands for a named function or class, or for what a call of it would have made."""

    __slots__ = ("arguments", "name", "state")

    def __init__(self, name: str, arguments: tuple[Any, ...] = ()) -> None:
        self.name = name
        self.arguments = arguments
        self.state: Any = None

    def __call__(self, *arguments: Any) -> _Note:
        return _Note(self.name, arguments)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _NotingUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Note:
        full = f"{module}.{name}"
        if full not in _GLOBALS:
            raise pickle.UnpicklingError(f"it names {full}, which no CIFAR batch does")
        return _Note(full)


def read_batch(data: bytes, what: str) -> tuple[np.ndarray, list[int]]:
    """Return pixels `uint8 (N, 3072)` and N labels.

    Raises:
        DataError: anything but a pickled batch; nothing in it was run.
    """
    try:
        _require_harmless(data)
        batch = _NotingUnpickler(io.BytesIO(data), encoding="bytes").load()
        pixels, labels = _to_pixels(batch[b"data"]), batch[b"labels"]
        if not isinstance(labels, list) or any(type(label) is not int for label in labels):
            raise ValueError("its labels are not a list of integers")
    # The pickle module says of damaged input that it may raise other exceptions than its own.
    except Exception as error:
        raise DataError(f"{what} is not a CIFAR batch: {error!s}.", hint="Get the archive again.") from error
    return pixels, labels


def _require_harmless(data: bytes) -> None:
    containers = 0
    for instruction, argument, _ in pickletools.genops(data):
        if instruction.name not in _INSTRUCTIONS:
            raise ValueError(f"it has the pickle instruction {instruction.name}, which no CIFAR batch has")
        containers += instruction.name in _CONTAINERS
        far = instruction.name in _REMEMBERING and isinstance(argument, int) and argument > _MAX_MEMO_SLOT
        if far or containers > _MAX_CONTAINERS:
            raise ValueError("it nests or remembers more than a CIFAR batch does")


def _to_pixels(array: Any) -> np.ndarray:
    """Make the array that NumPy's state `(version, shape, dtype, is_fortran, bytes)` describes."""
    _, shape, dtype, is_fortran, data = array.state
    if dtype.name != "numpy.dtype" or dtype.arguments[0] != b"u1" or is_fortran:
        raise ValueError("its pixels are not uint8 in C order")
    if len(shape) != 2 or shape[1] != 3072 or len(data) != shape[0] * shape[1]:
        raise ValueError(f"its pixels have the shape {shape} and {len(data)} bytes")
    return np.frombuffer(data, np.uint8).reshape(shape)
