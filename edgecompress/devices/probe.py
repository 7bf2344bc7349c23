"""What a device is: its model, system, processor, memory, and whether our runner can work there."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from edgecompress.devices.answers import whole
from edgecompress.devices.identity import QUESTIONS, SAY, identity_of
from edgecompress.devices.wire.transport import Transport

# An old loader of glibc finds its library only by the whole path.
_QUESTIONS = (
    f"{SAY}{QUESTIONS}"
    r"""
say machine uname -m
say arch cat /proc/sys/kernel/arch
say kernel uname -r
libc() {
  getconf GNU_LIBC_VERSION
  for loader in /lib/ld-linux-aarch64.so.1 /lib64/ld-linux-x86-64.so.2; do
    for library in libc.so.6 /lib/*/libc.so.6 /lib*/libc.so.6; do [ -x $loader ] && $loader $library; done
  done
  ldd --version
  for loader in /lib/ld-musl-*.so.1; do [ -x "$loader" ] && "$loader"; done
}
library=$(libc 2>&1 </dev/null | grep -i -m 1 -E 'glibc|gnu c library|gnu libc|musl') && echo "libc=$library"
[ -x /system/bin/getprop ] && for key in ro.product.model ro.soc.model ro.board.platform ro.build.version.release \
  ro.build.version.sdk; do say $key getprop $key; done
[ -r /sys/firmware/devicetree/base/model ] && say board cat /sys/firmware/devicetree/base/model
[ -r /etc/os-release ] && say system sh -c '. /etc/os-release; echo "$PRETTY_NAME"'
say processor sh -c "grep -m 1 -E '^(model name|Hardware)' /proc/cpuinfo | cut -d : -f 2"
say memory sh -c "grep MemTotal /proc/meminfo | tr -dc 0-9"
say python python3 -c 'import platform; print(platform.python_version())'
say user id -u
for tool in timeout taskset sha256sum; do command -v $tool >/dev/null 2>&1 && echo "has_$tool=1"; done
exit 0
"""
)
# Of `getconf`; or of the library itself and of `ldd`, whose first lines end with the version.
_GLIBC = re.compile(r"(?:glibc|gnu c library|gnu libc)\b.*?\b(\d{1,4})\.(\d{1,4})\.?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class DeviceInfo:
    """What a device says of itself; empty or None where it does not."""

    model: str
    soc: str
    system: str  # with its version, such as "Android 14 (API 34)"
    kernel: str
    machine: str  # as `uname -m` says: aarch64, x86_64, armv7l, ...
    glibc: tuple[int, int] | None  # None: another C library, such as Android's
    android: bool
    memory_bytes: int | None
    python: str
    tools: tuple[str, ...]
    root: bool
    bits: int | None = None  # of its programs, which a 64-bit kernel may run with 32
    libc: str = ""  # "glibc", "musl" or "bionic"; empty where it does not tell
    identity: str = ""  # the same whatever name leads to it; empty where there is nothing to tell it by

    @property
    def label(self) -> str:
        """The name to write beside a measurement."""
        return self.model or self.soc or self.machine

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return {**asdict(self), "glibc": list(self.glibc or ()), "tools": list(self.tools)}


def probe(transport: Transport) -> DeviceInfo:
    """Ask a device what it is.

    Raises:
        DeviceError: it cannot be reached.
    """
    answers = dict(
        line.split("=", 1)
        for line in transport.shell(_QUESTIONS).stdout[:65536].splitlines()
        if "=" in line and not line.endswith("=")
    )
    return describe({key: _clean(value) for key, value in answers.items()}, bits=transport.greeting.bits)


def describe(answers: dict[str, str], *, bits: int | None = None) -> DeviceInfo:
    """Make sense of the answers."""
    android = "ro.build.version.release" in answers
    release, level = answers.get("ro.build.version.release", ""), answers.get("ro.build.version.sdk", "?")
    libc = "bionic" if android else answers.get("libc", "")
    glibc = _GLIBC.search(libc)
    memory_kib = whole(answers.get("memory", ""))
    return DeviceInfo(
        model=answers.get("ro.product.model", "") if android else answers.get("board", ""),
        soc=answers.get("ro.soc.model", "") or answers.get("ro.board.platform", "") or answers.get("processor", ""),
        system=f"Android {release} (API {level})" if android else answers.get("system", ""),
        kernel=answers.get("kernel", ""),
        machine=answers.get("machine") or answers.get("arch", ""),
        glibc=(int(glibc[1]), int(glibc[2])) if glibc else None,
        android=android,
        memory_bytes=None if memory_kib is None else memory_kib * 1024,
        python=answers.get("python", ""),
        tools=tuple(tool for tool in ("timeout", "taskset", "sha256sum") if f"has_{tool}" in answers),
        root=answers.get("user") == "0",
        bits=bits,
        libc="glibc" if glibc else next((name for name in ("musl", "bionic") if name in libc.lower()), ""),
        identity=identity_of(answers),
    )


def _clean(text: str) -> str:
    """Drop what could move a terminal's cursor, and bound the length: a device may say anything."""
    return "".join(character for character in text if character.isprintable()).strip()[:120]
