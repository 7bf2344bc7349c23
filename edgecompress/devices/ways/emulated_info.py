"""What an emulated processor is: a machine of its own, of which the host's model, memory and Python say nothing."""

from __future__ import annotations

from edgecompress.devices.probe import DeviceInfo
from edgecompress.devices.ways.emulated import QEMU, EmulatedTransport
from edgecompress.devices.wire.transport import Transport

VERSION_TIMEOUT_S = 10.0
_MAX_VERSION = 200


def emulated_info(transport: EmulatedTransport) -> DeviceInfo:
    """Return what an emulated device is in the place of what its host's shell would say."""
    return DeviceInfo(
        model=f"{transport.address.target} under QEMU",
        soc="",
        system=_version(transport),
        kernel="",
        machine="aarch64",
        glibc=None,
        android=False,
        memory_bytes=None,
        python="",
        tools=(),
        root=False,
        bits=64,
    )


def _version(transport: Transport) -> str:
    """Return QEMU's first line about itself."""
    lines = transport.run([QEMU, "--version"], timeout_s=VERSION_TIMEOUT_S).stdout.splitlines()
    return lines[0][:_MAX_VERSION] if lines else ""
