"""Start the daemon: `python -m device_tests.adbd --root FOLDER --port PORT --fault-file FILE [--key-file FILE]`."""

from __future__ import annotations

import argparse
import asyncio
import functools
import os
import signal
from asyncio import StreamReader, StreamWriter
from pathlib import Path

from device_tests.adbd import shell, sync
from device_tests.adbd.device import Device
from device_tests.adbd.streams import Connection, Service

SHELL_USER = 2000  # Android's number for whoever comes over adb


def find(name: str, fault: str) -> Service | None:
    """The service that a client asks for, or None."""
    kind, _, argument = name.partition(":")
    if kind == "sync":
        return functools.partial(sync.serve, fault=fault)
    if kind in ("shell", "exec") or kind.startswith("shell,"):
        framed = "v2" in kind.split(",")
        return functools.partial(shell.run, command=argument, framed=framed, fault=fault)
    return None


async def serve(root: Path, port: int, device: Device) -> None:
    """Listen on the loopback address, and from then on see and be no more than the device's shell user."""

    async def connect(reader: StreamReader, writer: StreamWriter) -> None:
        await Connection(reader, writer, device, find).run()

    server = await asyncio.start_server(connect, "127.0.0.1", port)
    os.chroot(root)
    os.chdir("/")
    os.setgroups([])
    os.setresgid(SHELL_USER, SHELL_USER, SHELL_USER)
    os.setresuid(SHELL_USER, SHELL_USER, SHELL_USER)
    async with server:
        await server.serve_forever()


def main() -> None:
    """Parse the arguments and serve until a signal."""
    parser = argparse.ArgumentParser(prog="device_tests.adbd", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the device's root file system")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default="Emulated_Phone")
    parser.add_argument("--fault-file", type=Path, required=True, help="holds the present fault's name, or nothing")
    parser.add_argument("--key-file", type=Path, help="the allowed keys; given, a client must prove that it has one")
    arguments = parser.parse_args()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # by which commands end; under `nohup` they would inherit its deafness
    device = Device(arguments.model, arguments.fault_file, arguments.key_file)
    asyncio.run(serve(arguments.root, arguments.port, device))


if __name__ == "__main__":
    main()
