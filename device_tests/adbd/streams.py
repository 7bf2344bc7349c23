"""A connection with a client, and the streams in it: each is a service that the client opened by name."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable

from device_tests.adbd.device import Device
from device_tests.adbd.wire import (
    AUTH_PUBLIC_KEY,
    AUTH_SIGNATURE,
    AUTH_TOKEN,
    MAX_PAYLOAD_BYTES,
    TOKEN_BYTES,
    VERSION,
    Command,
    Packet,
    ProtocolError,
    read_packet,
)

Find = Callable[[str, str], "Service | None"]  # by the service's name and the device's present fault
Service = Callable[["Stream"], Awaitable[None]]


class StreamClosed(Exception):
    """The client closed the stream, or is gone."""


class Stream:
    """Bytes in both directions; each packet is answered before the next, which bounds what waits in memory."""

    def __init__(self, connection: Connection, local: int, remote: int) -> None:
        self._connection, self._local, self._remote = connection, local, remote
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue()
        self._unread = b""
        self._acknowledged = asyncio.Event()
        self._writing = asyncio.Lock()
        self._closed = False

    async def read_some(self) -> bytes:
        """The next bytes, at least one."""
        if not self._unread:
            self._unread = await self._next()
        chunk, self._unread = self._unread, b""
        return chunk

    async def read_exactly(self, size_bytes: int) -> bytes:
        """The next `size_bytes` bytes."""
        while len(self._unread) < size_bytes:
            self._unread += await self._next()
        chunk, self._unread = self._unread[:size_bytes], self._unread[size_bytes:]
        return chunk

    async def write(self, data: bytes) -> None:
        """Send all of `data`, which other writers' data does not break up."""
        async with self._writing:
            for start in range(0, len(data), self._connection.max_payload_bytes):
                if self._closed:
                    raise StreamClosed
                self._acknowledged.clear()
                part = data[start : start + self._connection.max_payload_bytes]
                self._connection.send(Packet(Command.WRTE, self._local, self._remote, part))
                await self._acknowledged.wait()

    def cut(self) -> None:
        """Break the whole connection, as when the cable is pulled."""
        self._connection.cut()

    def accept(self, packet: Packet) -> None:
        """Take what the client sent to this stream."""
        if packet.command is Command.WRTE and packet.payload:
            self._arrived.put_nowait(packet.payload)
        elif packet.command is Command.OKAY:
            self._acknowledged.set()
        elif packet.command is Command.CLSE:
            self.close()

    def close(self) -> None:
        """Tell the client, and everyone who waits here, that it is over."""
        if not self._closed:
            self._closed = True
            self._connection.send(Packet(Command.CLSE, self._local, self._remote))
            self._arrived.put_nowait(b"")
            self._acknowledged.set()

    async def _next(self) -> bytes:
        chunk = await self._arrived.get()
        if not chunk:
            self._arrived.put_nowait(b"")  # for the next who asks
            raise StreamClosed
        self._connection.send(Packet(Command.OKAY, self._local, self._remote))
        return chunk


class Connection:
    """One client: who it is, then the streams that it opens."""

    def __init__(self, reader: StreamReader, writer: StreamWriter, device: Device, find: Find) -> None:
        self._reader, self._writer, self._device, self._find = reader, writer, device, find
        self.max_payload_bytes = MAX_PAYLOAD_BYTES
        self._token = b""
        self._admitted = False
        self._numbers = itertools.count(1)
        self._streams: dict[int, Stream] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Answer packets until the client is gone."""
        try:
            while True:
                self._answer(await read_packet(self._reader))
                await self._writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ProtocolError):
            self.cut()
        finally:
            for stream in list(self._streams.values()):
                stream.close()

    def send(self, packet: Packet) -> None:
        """Put a packet on its way, unless the connection is broken."""
        if not self._writer.is_closing():
            self._writer.write(packet.encode())

    def cut(self) -> None:
        """Break the connection without a word."""
        self._writer.transport.abort()

    def _answer(self, packet: Packet) -> None:
        if self._device.is_down:
            self.cut()
        elif packet.command is Command.CNXN:
            self._greet(packet)
        elif packet.command is Command.AUTH:
            self._authenticate(packet)
        elif not self._admitted:
            raise ProtocolError(f"{packet.command.name} before the client is admitted")
        elif packet.command is Command.OPEN:
            self._open(packet)
        elif packet.arg1 in self._streams:
            self._streams[packet.arg1].accept(packet)

    def _greet(self, packet: Packet) -> None:
        fault = self._device.fault
        self.max_payload_bytes = max(1, min(MAX_PAYLOAD_BYTES, packet.arg1))
        if fault == "unauthorized" or self._device.asks_for_key:
            self._challenge()
        elif fault != "offline":
            self._admit()

    def _challenge(self) -> None:
        self._token = os.urandom(TOKEN_BYTES)
        self.send(Packet(Command.AUTH, AUTH_TOKEN, 0, self._token))

    def _authenticate(self, packet: Packet) -> None:
        refused = self._device.fault == "unauthorized"
        if packet.arg0 == AUTH_SIGNATURE:
            known = not refused and bool(self._token) and self._device.knows_signer(self._token, packet.payload)
            self._admit() if known else self._challenge()
        elif packet.arg0 == AUTH_PUBLIC_KEY and not refused:
            self._device.allow(packet.payload.rstrip(b"\0"))
            self._admit()

    def _admit(self) -> None:
        self._admitted = True
        self.send(Packet(Command.CNXN, VERSION, MAX_PAYLOAD_BYTES, self._device.banner))

    def _open(self, packet: Packet) -> None:
        name = packet.payload.rstrip(b"\0").decode(errors="surrogateescape")
        service = self._find(name, self._device.fault)
        if service is None:
            self.send(Packet(Command.CLSE, 0, packet.arg0))
            return
        local = next(self._numbers)
        self._streams[local] = stream = Stream(self, local, packet.arg0)
        self.send(Packet(Command.OKAY, local, packet.arg0))
        task = asyncio.create_task(self._serve(service, stream))
        self._running.add(task)  # the loop itself holds a task only weakly
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: self._streams.pop(local, None))

    async def _serve(self, service: Service, stream: Stream) -> None:
        try:
            with contextlib.suppress(StreamClosed):
                await service(stream)
        finally:
            stream.close()
