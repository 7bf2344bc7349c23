"""Names of devices: `local`, `adb`, `adb:SERIAL`, `ssh:[USER@]HOST[:PORT]`, `emulated:CPU`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from edgecompress.errors import DeviceError

EMULATED_CPUS = ("cortex-a53", "cortex-a72", "cortex-a76", "max")
FORMS = "local, adb, adb:SERIAL, ssh:USER@HOST[:PORT], emulated:CPU"

# What a client program would take for an option begins with a dash; what a shell would take for more is not in these.
_SERIAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:\[\]-]{0,127}")
_HOST = re.compile(
    r"(?:(?P<user>[A-Za-z_][A-Za-z0-9_.-]{0,63})@)?"
    r"(?P<host>\[[0-9A-Fa-f:.%a-z]+\]|[A-Za-z0-9][A-Za-z0-9._-]{0,252})(?::(?P<port>\d{1,5}))?"
)


@dataclass(frozen=True)
class Address:
    """A device's name, taken apart."""

    kind: Literal["local", "adb", "ssh", "emulated"]
    target: str = ""  # serial (empty: the only one), [user@]host, or processor
    port: int | None = None
    folder: str = field(default="", compare=False)  # that the user wants our files in; empty: one is looked for

    def __str__(self) -> str:
        return ":".join(filter(None, (self.kind, self.target, str(self.port or ""))))


def parse_address(text: str) -> Address:
    """Take a device's name apart.

    Raises:
        DeviceError: it has none of the forms.
    """
    kind, _, target = text.partition(":")
    if text in ("local", "adb"):
        return Address(kind=text)  # type: ignore[arg-type]
    if kind == "adb" and _SERIAL.fullmatch(target):
        return Address("adb", target)
    if kind == "ssh" and (found := _HOST.fullmatch(target)):
        port = int(found["port"]) if found["port"] else None
        if port is None or 0 < port < 65536:
            host = found["host"].strip("[]")
            return Address("ssh", f"{found['user']}@{host}" if found["user"] else host, port)
    if kind == "emulated":
        if target in EMULATED_CPUS:
            return Address("emulated", target)
        raise DeviceError(
            f"There is no emulated processor '{target}'.",
            hint=f"Known: {', '.join(f'emulated:{cpu}' for cpu in EMULATED_CPUS)}.",
        )
    raise DeviceError(f"'{text[:100]}' is no device.", hint=f"The forms are: {FORMS}.")
