"""Names of devices: `local`, `adb`, `adb:SERIAL`, `ssh:[USER@]HOST[:PORT]`, `emulated:CPU`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace
from typing import Literal

from edgecompress.errors import DeviceError

EMULATED_CPUS = ("cortex-a53", "cortex-a72", "cortex-a76", "max")
FORMS = "local, adb, adb:SERIAL, ssh:USER@HOST[:PORT], emulated:CPU"

# What a client program would take for an option begins with a dash; what a shell would take for more is not in these,
# but for the blanks and parentheses of wireless serials, such as "adb-R5CT10-x1 (2)._adb-tls-connect._tcp".
_SERIAL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._:\[\] ()-]{0,126}[A-Za-z0-9._:\[\]()-])?")
# A user may be of a Windows domain ("DOMAIN\user") or of a realm ("user@realm"); ssh refuses a backslash at the end.
_HOST = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_](?:[A-Za-z0-9_.+@\\-]{0,126}[A-Za-z0-9_.+-])?)@)?"
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._-]+)?)\]|(?P<host>[A-Za-z0-9][A-Za-z0-9._-]{0,252}))"
    r"(?::(?P<port>\d{1,5}))?",
    re.ASCII,
)
_FOLDER = re.compile(r"/[^\0-\x1f\x7f]{1,255}")


@dataclass(frozen=True)
class Address:
    """A device's name, taken apart."""

    kind: Literal["local", "adb", "ssh", "emulated"]
    target: str = ""  # serial (empty: the only one), [user@]host, or processor
    port: int | None = None
    folder: str = field(default="", compare=False)  # that the user wants our files in; empty: one is looked for
    python: str = field(default="", compare=False)  # that the user wants there; empty: `python3`

    def __str__(self) -> str:
        target = self.target
        if self.kind == "ssh":
            user, at, host = target.rpartition("@")
            target = f"{user}{at}[{host}]" if ":" in host else target
        return ":".join(filter(None, (self.kind, target, str(self.port or ""))))

    def using(self, *, folder: str = "", python: str = "") -> Address:
        """Return it with a folder and a Python of the user's, where they are given.

        Raises:
            DeviceError: the folder is no absolute path.
        """
        if folder and not _FOLDER.fullmatch(folder):
            raise DeviceError(
                f"'{folder[:100]}' is no folder for files on {self}.",
                hint="Give a path from the root on, such as /opt/edgecompress.",
            )
        return replace(self, folder=folder or self.folder, python=python or self.python)


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
    if kind == "ssh" and (address := _board(target)):
        return address
    if kind == "emulated":
        if target in EMULATED_CPUS:
            return Address("emulated", target)
        raise DeviceError(
            f"There is no emulated processor '{target[:100]}'.",
            hint=f"Known: {', '.join(f'emulated:{cpu}' for cpu in EMULATED_CPUS)}.",
        )
    user, at, host = target.rpartition("@")
    if kind == "ssh" and _is_ipv6(host) and _board(bracketed := f"{user}{at}[{host}]"):
        raise DeviceError(f"'{text[:100]}' is no device.", hint=f"An IPv6 address has brackets: 'ssh:{bracketed}'.")
    raise DeviceError(f"'{text[:100]}' is no device.", hint=f"The forms are: {FORMS}.")


def _board(text: str) -> Address | None:
    found = _HOST.fullmatch(text)
    if not found or (found["ipv6"] and not _is_ipv6(found["ipv6"])):
        return None
    port = int(found["port"]) if found["port"] else None
    if port is not None and not 0 < port < 65536:
        return None
    host = found["ipv6"] or found["host"]
    return Address("ssh", f"{found['user']}@{host}" if found["user"] else host, port)


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True
