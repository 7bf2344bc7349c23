"""An adb server of another version than this machine's client, which ends it and starts its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from device_tests.servers import HOST

VERSION = 39


@contextmanager
def old_server(port: int) -> Iterator[None]:
    """Answer a client's question for the version, until it says that the server is to end."""
    listener = socket.create_server((HOST, port))
    thread = threading.Thread(target=_serve, args=[listener])
    thread.start()
    try:
        yield
    finally:
        listener.close()
        thread.join()


def _serve(listener: socket.socket) -> None:
    with listener:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                request = client.recv(int(client.recv(4), 16)).decode()
                if request == "host:kill":
                    return
                told = f"{VERSION:04x}"
                client.sendall(f"OKAY{len(told):04x}{told}".encode() if request == "host:version" else b"FAIL0000")
