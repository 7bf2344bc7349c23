"""What adb says when it does not reach a device, and what to do about it."""

from __future__ import annotations

from edgecompress.devices.address import Address
from edgecompress.errors import DeviceError

STATES = {
    "unauthorized": "Unlock it and allow USB debugging for this computer.",
    "offline": "Reconnect the cable, or run `adb reconnect offline`.",
    "recovery": "Boot it into Android.",
    "no permissions": "Give yourself access to the USB device (udev rules), then run `adb kill-server`.",
}


def known(address: Address, said: str) -> DeviceError | None:
    """Return the sentence for adb's own words, which begin with "adb:" or "error:"; None if there are none."""
    lines = (line.strip() for line in said.splitlines())
    words = next((line for line in lines if line.startswith(("adb: ", "error: "))), "")[:300].rstrip(".")
    if not words:
        return None
    for state, hint in STATES.items():
        if state in words:
            return DeviceError(f"{address} is {state}.", hint=hint)
    if "not found" in words:
        return DeviceError(f"{address} is not connected.", hint="`edgecompress devices` lists what is.")
    return DeviceError(f"{address} was lost: {words.partition(': ')[2]}.", hint="Is it still connected?")
