"""A slow or breaking line to a server on the loopback address: a TCP proxy with latency, a rate, and cuts.

`with proxied(server.port, Line(latency_s=0.25, bytes_per_s=15_000)) as proxy:` listens on `proxy.port`; the client's
configuration must name that port instead of the server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

HOST = "127.0.0.1"
CHUNK_BYTES = 1448  # a packet's worth, so that a slow line is slow evenly
MAX_CHUNKS = 4096  # on their way in one direction
START_LIMIT_S = 10.0


@dataclass(frozen=True)
class Line:
    """What a line is like, in each direction; cuts count from the first connection on, over all of them."""

    latency_s: float = 0.0
    bytes_per_s: float = 0.0  # 0: as fast as it goes
    cut_after_bytes: int | None = None
    cut_after_s: float | None = None
    heals: bool = True  # after a cut, which comes once; else nobody gets through any more


class Proxy:
    """A line that is open; `port` is where it listens."""

    def __init__(self, target_port: int, line: Line) -> None:
        self._target_port, self._line = target_port, line
        self._connections: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._bytes = 0
        self._was_used = False
        self.cuts = 0
        self.port = 0

    def cut(self) -> None:
        """Break every connection now; new ones get through if the line heals."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(START_LIMIT_S)

    async def serve(self, ready: threading.Event) -> None:
        """Listen until cancelled; `ready` is set when `port` is known."""
        server = await asyncio.start_server(self._accept, HOST, 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            self._break_all()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.cuts and not self._line.heals:
            writer.transport.abort()
            return
        if not self._was_used and self._line.cut_after_s is not None:
            self._loop.call_later(self._line.cut_after_s, lambda: self._loop.create_task(self._cut()))
        self._was_used = True
        there_reader, there_writer = await asyncio.open_connection(HOST, self._target_port)
        self._connections |= {writer, there_writer}
        with contextlib.suppress(OSError):
            await asyncio.gather(self._carry(reader, there_writer), self._carry(there_reader, writer))
        for each in (writer, there_writer):
            self._connections.discard(each)
            each.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction; latency delays what follows as little as on a real line, where much is on its way at once."""
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MAX_CHUNKS)
        arriving = self._loop.create_task(self._arrive(on_its_way, writer))
        free_s = 0.0
        try:
            while data := await reader.read(CHUNK_BYTES):
                if self._line.bytes_per_s:
                    free_s = max(free_s, time.monotonic()) + len(data) / self._line.bytes_per_s
                    await asyncio.sleep(free_s - time.monotonic())
                await on_its_way.put((time.monotonic() + self._line.latency_s, data))
            await on_its_way.put((time.monotonic() + self._line.latency_s, b""))
            await arriving
        finally:
            arriving.cancel()

    async def _arrive(self, on_its_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due_s, data = await on_its_way.get()
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            if not data:
                writer.write_eof()
                return
            self._bytes += len(data)
            if self._line.cut_after_bytes is not None and not self.cuts and self._bytes > self._line.cut_after_bytes:
                await self._cut()
                return
            writer.write(data)
            await writer.drain()

    async def _cut(self) -> None:
        self.cuts += 1
        self._break_all()

    def _break_all(self) -> None:
        for each in list(self._connections):
            each.transport.abort()


@contextmanager
def proxied(target_port: int, line: Line) -> Iterator[Proxy]:
    """Run a proxy to a port of the loopback address."""
    proxy, ready = Proxy(target_port, line), threading.Event()
    tasks: list[asyncio.Task[None]] = []

    def run() -> None:
        asyncio.set_event_loop(proxy._loop)
        tasks.append(proxy._loop.create_task(proxy.serve(ready)))
        with contextlib.suppress(asyncio.CancelledError):
            proxy._loop.run_until_complete(tasks[0])
        left = asyncio.all_tasks(proxy._loop)
        for task in left:
            task.cancel()
        proxy._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        proxy._loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(START_LIMIT_S)
        yield proxy
    finally:
        proxy._loop.call_soon_threadsafe(tasks[0].cancel)
        thread.join()
