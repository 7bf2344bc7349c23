"""The program that holds a device's lock where there is no `flock`: static, so that it runs on Android, too."""

from __future__ import annotations

from edgecompress.devices.store import place
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError, DeviceGone
from edgecompress.native.build import build_holder, can_build

ANSWER_TIMEOUT_S = 30.0
NAME = "edgecompress-hold"


def holder(transport: Transport) -> str | None:
    """Bring it onto a device, and return where it is; None if it cannot be built, or has no place there.

    Raises:
        DeviceGone: the device went away.
    """
    try:
        machine = transport.run(["uname", "-m"], timeout_s=ANSWER_TIMEOUT_S).stdout.strip()
        return place(transport, {NAME: build_holder(machine)})[NAME] if can_build(machine) else None
    except DeviceGone:
        raise
    except DeviceError:
        return None
