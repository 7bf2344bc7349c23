"""The way to a device: found, let in, a shell, a folder, a copy there and back."""

from __future__ import annotations

import re
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgecompress.devices.ways.ssh_login import read_login
from edgecompress.devices.wire.greeting import ENOUGH_KIB
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError
from edgecompress.profiling.readiness.step import Name, Step, no, ok, required, warn

PUSHED_BYTES = 4096
_TO_SSH: tuple[Name, ...] = ("name", "port", "host key", "login", "shell")
# How far a refusal got, by its words; the first that fits.
_REACHED: tuple[tuple[Name, re.Pattern[str]], ...] = (
    ("shell", re.compile(r"runs no shell|^The login of .+ waits")),
    ("login", re.compile(r"does not let us in|too many keys")),
    ("host key", re.compile(r"host key|knows no (host key type|key exchange method|cipher|MAC)")),
    ("name", re.compile(r"found by its name|does not take its configuration|has a name that")),
    ("port", re.compile(r"at port \d|cannot be reached|hangs up|is only reached|does not reach .+ port|went away")),
)


def refused(error: DeviceError, kind: str) -> Iterator[Step]:
    """Tell from a refusal at which step it came; those before it have passed."""
    reached = next((name for name, words in _REACHED if words.search(error.message)), None)
    if kind == "adb":
        if reached == "shell":
            yield ok("adb", "connected")
        yield no("shell" if reached == "shell" else "adb", error)
    elif kind == "emulated":
        yield no("emulator", error)
    elif reached is None:  # words that nobody knows: nothing is known to have passed
        yield no("login", error)
    else:
        yield from (ok(name, "passed") for name in _TO_SSH[: _TO_SSH.index(reached)])
        yield no(reached, error)


def the_way(transport: Transport) -> Iterator[Step]:
    """Greet a device, and tell what that passed, or where it ended."""
    address = transport.address
    try:
        _ = transport.greeting
    except DeviceError as error:
        yield from refused(error, address.kind)
        return
    if address.kind == "ssh":
        login = read_login(address)
        yield from (ok("name", login.host), ok("port", str(login.port)), ok("host key", "known"))
        yield ok("login", f"as {login.user}")
    elif address.kind == "adb":
        yield ok("adb", f"{address.target} is connected, and allows debugging")
    yield ok("shell", f"works; at login it says '{transport.noise}'" if transport.noise else "works, and is clean")
    yield required("folder", lambda: _folder(transport))


def _folder(transport: Transport) -> Step:
    folder = transport.folder  # or the reasons why there is none
    taken = next(each for each in transport.greeting.candidates if folder.startswith(f"{each.path}/"))
    found = f"{taken.path}, {taken.room_kib / 1024:.0f} MB free"
    if taken.room_kib >= ENOUGH_KIB:
        return ok("folder", found)
    return warn(
        "folder",
        f"{found}: too little for the larger runtime and models",
        "Make room, or name another: `--device-folder /PATH`.",
    )


def timeout(transport: Transport) -> Step:
    """Tell how the device ends what takes too long."""
    return ok("timeout", transport.greeting.limit or "none: a shell of ours ends what takes too long")


def pushed(transport: Transport) -> Step:
    """Copy some bytes there and back.

    Raises:
        DeviceError: they do not arrive, or arrive damaged.
    """
    data = secrets.token_bytes(PUSHED_BYTES)
    target = f"{transport.folder}/check-{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory(prefix="edgecompress-") as folder:
        there, back = Path(folder) / "there", Path(folder) / "back"
        there.write_bytes(data)
        try:
            transport.push(there, target)
            transport.pull(target, back)
        finally:
            transport.shell('rm -f "$1" "$1.part"', target)
        if back.read_bytes() != data:
            raise DeviceError(f"A file came back changed from {transport.address}.", hint="Is its disk failing?")
    if not (hasher := transport.greeting.hasher):
        return warn(
            "push",
            f"{PUSHED_BYTES} bytes there and back, but it has no hash tool: all is pushed anew each time",
            "Install coreutils or busybox there: sha256sum, md5sum or cksum.",
        )
    return ok("push", f"{PUSHED_BYTES} bytes there and back, known again by {hasher}")
