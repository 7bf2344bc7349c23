"""From a device's address to its transport."""

from __future__ import annotations

from edgecompress.devices.address import Address
from edgecompress.devices.ways.adb import AdbTransport
from edgecompress.devices.ways.emulated import EmulatedTransport
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.ways.ssh import SshTransport
from edgecompress.devices.wire.transport import Transport


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
