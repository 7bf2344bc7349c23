"""What adb says when it does not reach a device, and what to do about it."""

from __future__ import annotations

import os
import re

from edgecompress.devices.address import Address
from edgecompress.devices.answers import printable_lines
from edgecompress.errors import DeviceError, DeviceGone

_ALLOW = "Unlock it and allow USB debugging for this computer."
_BOOT = "Boot it into Android."
STATES = {  # as `adb devices` has them, but for "device", which can be used
    "unauthorized": _ALLOW,
    "authorizing": _ALLOW,
    "connecting": "Wait a moment; then reconnect the cable.",
    "offline": "Reconnect the cable, or run `adb reconnect offline`.",
    "recovery": _BOOT,
    "sideload": _BOOT,
    "rescue": _BOOT,
    "bootloader": _BOOT,
    "detached": "Give it back to adb: `adb attach`.",
    "no permissions": "Give yourself access to the USB device (udev rules): `sudo apt-get install "
    "android-sdk-platform-tools-common` and `sudo usermod -aG plugdev $USER`; log in anew, and run `adb kill-server`.",
}

_STATE = re.compile(rf"\b(?:device|is) (?:still )?({'|'.join(STATES)})\b")
_VERSIONS = re.compile(r"adb server version \((\d{1,5})\) doesn't match this client \((\d{1,5})\)")
_ONE_ADB = "Use one adb: stop the other's program (such as Android Studio), or put its folder first on PATH."


def known(address: Address | str, said: str) -> DeviceError | None:
    """Return the sentence for adb's own words, which begin with "adb:" or "error:"; None if there are none."""
    lines = printable_lines(said)
    words = next((line for line in lines if line.startswith(("adb: ", "error: "))), "").rstrip(".")
    if not words:
        return None
    reason = re.sub(r"^((adb|error): )+", "", words)
    if "allocating a pty" in reason or "PTY args" in reason:
        message = f"{address} runs Android before 7, whose adb does not tell how a command ended."
        return DeviceError(message, hint="It cannot be measured; Android 7 and later can.")
    if "server version" in reason or "cannot connect to daemon" in reason:
        return DeviceError(
            f"adb's server does not answer: {reason}.",
            hint=version_conflict(said)
            or "`adb kill-server && adb start-server` says more; has another program its port?",
        )
    if found := _STATE.search(reason):
        return DeviceError(f"{address} is {found[1]}.", hint=STATES[found[1]])
    if "insufficient permissions" in reason:
        return DeviceError(f"This user may not open the USB device of {address}.", hint=STATES["no permissions"])
    if re.search(r"\bnot found$|^no devices", reason):
        named = isinstance(address, Address) and address.target == os.environ.get("ANDROID_SERIAL")
        hint = "`edgecompress devices` lists what is" + (", and ANDROID_SERIAL names this one." if named else ".")
        return DeviceError(f"{address} is not connected.", hint=version_conflict(said) or hint)
    return DeviceGone(f"{address} was lost: {reason}.", hint=version_conflict(said) or "Is it still connected?")


def version_conflict(said: str) -> str:
    """Return what is wrong if adb found a server of another version, which it ends; empty if it did not."""
    found = _VERSIONS.search(said)
    if not found:
        return ""
    return (
        f"Another adb (of version {found[1]}, and ours is {found[2]}) runs a server here; each ends the other's, and "
        f"with it every connection. {_ONE_ADB}"
    )
