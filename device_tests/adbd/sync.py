"""Files to and from the device: the requests STAT, LIST, SEND and RECV of the first version of the protocol."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
from pathlib import Path

from device_tests.adbd.streams import Stream, StreamClosed

REQUEST = struct.Struct("<4sI")
STATUS = struct.Struct("<4s3I")
ENTRY = struct.Struct("<4s4I")
MAX_PATH_BYTES = 1024
BLOCK_BYTES = 64 * 1024
FAULT_AFTER_BYTES = 64 * 1024


async def serve(stream: Stream, *, fault: str) -> None:
    """Answer requests until the client quits; a request that fails ends the service, as Android's does."""
    requests = {b"STAT": _stat, b"LIST": _list, b"RECV": _recv}
    going = True
    while going:
        identifier, size_bytes = REQUEST.unpack(await stream.read_exactly(REQUEST.size))
        if identifier == b"QUIT":
            return
        if size_bytes > MAX_PATH_BYTES:
            going = await _fail(stream, "path too long")
            continue
        path = os.fsdecode(await stream.read_exactly(size_bytes))
        if identifier == b"SEND":
            going = await _send(stream, path, fault)
        elif identifier in requests:
            going = await requests[identifier](stream, Path(path))
        else:
            going = await _fail(stream, f"unknown command {identifier!r}")


async def _stat(stream: Stream, path: Path) -> bool:
    try:
        await stream.write(STATUS.pack(b"STAT", *_status(path.lstat())))
    except OSError:
        await stream.write(STATUS.pack(b"STAT", 0, 0, 0))
    return True


async def _list(stream: Stream, path: Path) -> bool:
    with contextlib.suppress(OSError):
        for each in sorted(path.iterdir()):
            name = os.fsencode(each.name)
            await stream.write(ENTRY.pack(b"DENT", *_status(each.lstat()), len(name)) + name)
    await stream.write(ENTRY.pack(b"DONE", 0, 0, 0, 0))
    return True


async def _recv(stream: Stream, path: Path) -> bool:
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                await stream.write(REQUEST.pack(b"DATA", len(block)) + block)
    except OSError as error:
        return await _fail(stream, f"open failed: {error.strerror}")
    await stream.write(REQUEST.pack(b"DONE", 0))
    return True


async def _send(stream: Stream, argument: str, fault: str) -> bool:
    """Take a file from the client; what is not whole is removed."""
    name, _, mode = argument.rpartition(",")
    path = Path(name)
    if not mode.isdecimal():
        return await _fail(stream, "missing or invalid mode")
    attempt = "couldn't create file"
    try:
        if fault == "read-only":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with path.open("wb") as file:
            attempt = "write failed"
            received_bytes = 0
            while block := await _block(stream):
                received_bytes += len(block)
                if received_bytes > FAULT_AFTER_BYTES and fault == "cut-push":
                    stream.cut()
                    raise StreamClosed
                if received_bytes > FAULT_AFTER_BYTES and fault == "full-disk":
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                file.write(block)
        path.chmod(int(mode) & 0o777)
    except OSError as error:
        _remove(path)
        await _fail(stream, f"{attempt}: {error.strerror}")
        while await _block(stream):  # the client may look for the answer only when it has sent everything
            pass
        return False
    except StreamClosed:
        _remove(path)
        raise
    await stream.write(REQUEST.pack(b"OKAY", 0))
    return True


async def _block(stream: Stream) -> bytes:
    """The next part of a file; empty at its end."""
    identifier, size_bytes = REQUEST.unpack(await stream.read_exactly(REQUEST.size))
    if identifier == b"DONE":  # in place of a size comes the file's time
        return b""
    if identifier != b"DATA" or size_bytes > BLOCK_BYTES:
        stream.cut()
        raise StreamClosed
    return await stream.read_exactly(size_bytes)


async def _fail(stream: Stream, message: str) -> bool:
    words = message.encode()
    await stream.write(REQUEST.pack(b"FAIL", len(words)) + words)
    return False


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _status(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mode, min(status.st_size, 0xFFFFFFFF), int(status.st_mtime)
