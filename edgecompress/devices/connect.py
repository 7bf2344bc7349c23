"""From a device's address to its transport, one measurement at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecompress.devices.address import Address
from edgecompress.devices.ways.adb import AdbTransport
from edgecompress.devices.ways.emulated import EmulatedTransport
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.ways.ssh import SshTransport
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError

LONGEST_WAIT_S = 3600.0
POLL_S = 0.2


def connect(address: Address) -> Transport:
    """Return the transport for an address; what cannot be reached shows at its first command.

    Raises:
        DeviceError: the client program is missing, or `adb` alone does not name one device.
    """
    if address.kind == "adb":
        return AdbTransport(address)
    if address.kind == "ssh":
        return SshTransport(address)
    if address.kind == "emulated":
        return EmulatedTransport(address)
    return LocalTransport()


@contextmanager
def reserved(address: Address, *, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Keep a device to ourselves: whoever on this host measures on it meanwhile waits, and calls `on_wait`.

    Raises:
        DeviceError: it was not free for an hour.
    """
    name = hashlib.sha256(str(address).encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"edgecompress-{os.getuid()}-{name}.lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DeviceError(f"The lock '{path}' cannot be taken: {error.strerror}.", hint="Remove it.") from error
    try:
        deadline = time.monotonic() + LONGEST_WAIT_S
        while not _locked(handle):
            on_wait()
            if time.monotonic() > deadline:
                raise DeviceError(f"Another edgecompress has been measuring on {address} for an hour.")
            time.sleep(POLL_S)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
