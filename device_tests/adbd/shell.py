"""Commands run by the device's shell, with their streams merged or, in version 2, apart and with the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import struct
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator

from device_tests.adbd.streams import Stream, StreamClosed
from device_tests.adbd.wire import MAX_PAYLOAD_BYTES

SHELL = "/system/bin/sh"
ENVIRONMENT = {
    "PATH": "/product/bin:/system/bin:/system/xbin:/vendor/bin",
    "HOME": "/",
    "ANDROID_DATA": "/data",
    "ANDROID_ROOT": "/system",
    "TMPDIR": "/data/local/tmp",
}
FRAME = struct.Struct("<BI")
STDIN, STDOUT_FRAME, STDERR_FRAME, EXIT, CLOSE_STDIN = range(5)
CHUNK_BYTES = 64 * 1024
CUT_AFTER_S = 1.0


async def run(stream: Stream, command: str, *, framed: bool, fault: str) -> None:
    """Run `command` in a process group of its own, which is hung up when the client closes the stream."""
    process = await asyncio.create_subprocess_exec(
        *(SHELL, "-c", command) if command else (SHELL,),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE if framed else STDOUT,
        env=os.environ | ENVIRONMENT,
        start_new_session=True,
    )
    if fault == "cut-run":
        asyncio.get_running_loop().call_later(CUT_AFTER_S, stream.cut)
    feeding = asyncio.create_task(_feed(process, _framed_input(stream) if framed else _plain_input(stream)))
    try:
        if framed:
            outputs = (process.stdout, STDOUT_FRAME), (process.stderr, STDERR_FRAME)
            await asyncio.gather(*(_pump(output, stream, identifier) for output, identifier in outputs))
            status = await process.wait()
            await stream.write(_frame(EXIT, bytes([status if status >= 0 else 128 - status])))
        else:
            await _pump(process.stdout, stream, None)
            await process.wait()
    finally:
        feeding.cancel()
        if process.returncode is None:
            _hang_up(process)


async def _pump(output: asyncio.StreamReader | None, stream: Stream, identifier: int | None) -> None:
    while output and (chunk := await output.read(CHUNK_BYTES)):
        await stream.write(chunk if identifier is None else _frame(identifier, chunk))


async def _feed(process: Process, chunks: AsyncIterator[bytes]) -> None:
    try:
        async for chunk in chunks:
            with contextlib.suppress(ConnectionError):  # a command need not read its input
                if process.stdin and chunk:
                    process.stdin.write(chunk)
                    await process.stdin.drain()
                elif process.stdin:
                    process.stdin.close()
    except StreamClosed:
        _hang_up(process)


async def _plain_input(stream: Stream) -> AsyncIterator[bytes]:
    while True:
        yield await stream.read_some()


async def _framed_input(stream: Stream) -> AsyncIterator[bytes]:
    """What the client's frames hold; empty for the end of the input."""
    while True:
        identifier, size_bytes = FRAME.unpack(await stream.read_exactly(FRAME.size))
        if size_bytes > MAX_PAYLOAD_BYTES:
            stream.cut()
            raise StreamClosed
        data = await stream.read_exactly(size_bytes)
        if identifier == STDIN and data:
            yield data
        elif identifier == CLOSE_STDIN:
            yield b""


def _frame(identifier: int, data: bytes) -> bytes:
    return FRAME.pack(identifier, len(data)) + data


def _hang_up(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGHUP)
