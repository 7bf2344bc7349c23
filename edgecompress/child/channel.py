"""Frames between this process and its child: a JSON message and raw arrays, and nothing that could run code.

A frame is the length of its header (32 bits, little-endian), the header (JSON: the message, and dtype and shape of
each array), and the arrays, C-contiguous and little-endian, one after another. Both ends bound every length before
they allocate anything, since what speaks at the other end may be a child that a hostile model file has taken over.
"""

from __future__ import annotations

import json
import math
import os
import select
import struct
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

MAX_HEADER_BYTES = 4 << 20
MAX_ARRAY_BYTES = 256 << 20  # all arrays of one frame, where nothing else is said
MAX_ARRAYS = 256
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = ("bool", *INTEGERS, "float16", "float32", "float64")  # of fixed size and without objects

_LENGTH = struct.Struct("<I")


class ChannelClosed(Exception):
    """The other end is gone."""


class FrameError(ValueError):
    """A frame is larger than the bounds, or is not one."""


class Channel:
    """One end of a pair of pipes, and the bounds of a frame; a time limit of None waits for ever."""

    def __init__(
        self,
        read_fd: int,
        write_fd: int,
        *,
        max_header_bytes: int = MAX_HEADER_BYTES,
        max_array_bytes: int = MAX_ARRAY_BYTES,
    ) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        self._max_header_bytes = max_header_bytes
        self._max_array_bytes = max_array_bytes
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)

    def send(
        self, message: dict[str, Any], arrays: Sequence[np.ndarray] = (), *, timeout_s: float | None = None
    ) -> None:
        """Write one frame.

        Raises FrameError before a byte is written if the frame breaks the bounds, ChannelClosed, TimeoutError.
        """
        described = [{"dtype": array.dtype.name, "shape": list(array.shape)} for array in arrays]
        _sizes(described, self._max_array_bytes)
        header = json.dumps({"message": message, "arrays": described}).encode()
        if len(header) > self._max_header_bytes:
            raise FrameError(f"a header of {len(header)} bytes is above the limit of {self._max_header_bytes}")
        deadline = _deadline(timeout_s)
        self._write(_LENGTH.pack(len(header)) + header, deadline)
        for array in arrays:
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            self._write(little.reshape(-1).view(np.uint8).data, deadline)

    def receive(self, *, timeout_s: float | None = None) -> tuple[dict[str, Any], list[np.ndarray]]:
        """Read one frame. Raises FrameError, ChannelClosed, TimeoutError."""
        deadline = _deadline(timeout_s)
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size, deadline))
        if length > self._max_header_bytes:
            raise FrameError(f"a header of {length} bytes is above the limit of {self._max_header_bytes}")
        try:
            header = json.loads(self._read(length, deadline))
            message, described = header["message"], header["arrays"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise FrameError(f"a header is not JSON of the expected form: {error}") from error
        if not isinstance(message, dict):
            raise FrameError("a message is not a JSON object")
        arrays = []
        for size, each in zip(_sizes(described, self._max_array_bytes), described, strict=True):
            flat = np.frombuffer(self._read(size, deadline), np.dtype(each["dtype"]).newbyteorder("<"))
            arrays.append(flat.astype(each["dtype"], copy=False).reshape(each["shape"]))
        return message, arrays

    def _write(self, data: bytes | memoryview, deadline: float | None) -> None:
        rest = memoryview(data)
        while rest:
            _wait(self._write_fd, select.POLLOUT, deadline)
            try:
                rest = rest[os.write(self._write_fd, rest) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise ChannelClosed from error

    def _read(self, size: int, deadline: float | None) -> bytearray:
        data = bytearray(size)
        rest = memoryview(data)
        while rest:
            _wait(self._read_fd, select.POLLIN, deadline)
            try:
                count = os.readv(self._read_fd, [rest])
            except BlockingIOError:
                continue
            if count == 0:
                raise ChannelClosed
            rest = rest[count:]
        return data


def _sizes(described: Any, max_array_bytes: int) -> list[int]:
    """Bytes of each described array, after every check that can be made before one is allocated."""
    if not isinstance(described, list) or len(described) > MAX_ARRAYS:
        raise FrameError(f"expected a list of at most {MAX_ARRAYS} arrays")
    sizes = []
    for each in described:
        dtype, shape = (each.get("dtype"), each.get("shape")) if isinstance(each, dict) else (None, None)
        if dtype not in DTYPES:
            raise FrameError(f"arrays of {dtype} cannot be passed on")
        if not isinstance(shape, list) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
            raise FrameError(f"{shape} is not the shape of an array")
        sizes.append(math.prod(shape) * np.dtype(dtype).itemsize)
    if sum(sizes) > max_array_bytes:
        raise FrameError(f"arrays of {sum(sizes)} bytes are above the limit of {max_array_bytes}")
    return sizes


def _deadline(timeout_s: float | None) -> float | None:
    return None if timeout_s is None else time.monotonic() + timeout_s


def _wait(fd: int, event: int, deadline: float | None) -> None:
    poll = select.poll()
    poll.register(fd, event)
    if not poll.poll(None if deadline is None else max(0.0, (deadline - time.monotonic()) * 1000)):
        raise TimeoutError
