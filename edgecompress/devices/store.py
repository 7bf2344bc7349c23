"""Files on a device, by their content: pushed once, checked by hash, never believed by name or size."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from edgecompress.devices.answers import whole
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError
from edgecompress.storage import sha256_of

HASH_TIMEOUT_S = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")

# $1: the folder; then the files. A device that lacks sha256sum prints nothing, and gets every file anew.
_HASHES = (
    'cd "$1" 2>/dev/null || exit 0; shift; command -v sha256sum >/dev/null 2>&1 || exit 0; sha256sum "$@" 2>/dev/null'
)
_MAKE = 'for each in "$@"; do mkdir -p "$each" || exit 1; done'
_FINISH = 'chmod 755 "$1" && mv -f "$1" "$2"'


def place(
    transport: Transport, files: Mapping[str, Path], *, on_push: Callable[[str], None] = lambda name: None
) -> dict[str, str]:
    """Bring files onto a device, and return where each is there; `files` maps the names to the host's paths.

    A file lies in `FOLDER/SHA-256/NAME`; it is pushed beside that, and gets its name when its hash is right. Files of
    one hash are the same file. This machine's own files are used where they are.

    Raises:
        DeviceError: the device is full, cannot be written, or goes away.
    """
    if isinstance(transport, LocalTransport):
        return {name: str(path.resolve()) for name, path in files.items()}
    hashes = {name: sha256_of(path) for name, path in files.items()}
    targets = {name: f"{hashes[name]}/{_UNSAFE.sub('_', name).lstrip('-.') or 'file'}" for name in files}
    present = _hashes(transport, list(targets.values()))
    missing = [name for name in files if present.get(targets[name]) != hashes[name]]
    if missing:
        _make_folders(transport, [f"{transport.folder}/{hashes[name]}" for name in missing])
    for name in missing:
        on_push(name)
        beside = f"{targets[name]}.part"
        transport.push(files[name], f"{transport.folder}/{beside}")
        arrived = _hashes(transport, [beside])
        if arrived and arrived.get(beside) != hashes[name]:
            raise DeviceError(f"'{name}' arrived damaged on {transport.address}.", hint="Is its disk full, or failing?")
        moved = transport.shell(_FINISH, f"{transport.folder}/{beside}", f"{transport.folder}/{targets[name]}")
        if moved.status:
            raise DeviceError(f"Cannot write into '{transport.folder}' on {transport.address}: {moved.stderr.strip()}.")
    return {name: f"{transport.folder}/{target}" for name, target in targets.items()}


def clean(transport: Transport) -> int:
    """Remove everything that edgecompress has put on a device; return the bytes that this frees, as `du` counts."""
    used = transport.shell('du -sk "$1" 2>/dev/null', transport.folder).stdout.split()
    removed = transport.shell('rm -rf "$1"', transport.folder, timeout_s=HASH_TIMEOUT_S)
    if removed.status:
        raise DeviceError(f"Cannot remove '{transport.folder}' on {transport.address}: {removed.stderr.strip()}.")
    return 1024 * (whole(used[0]) or 0) if used else 0


def _make_folders(transport: Transport, folders: list[str]) -> None:
    made = transport.shell(_MAKE, *folders)
    if made.status:
        reason = made.stderr.strip().splitlines()[-1][:300] if made.stderr.strip() else "no reason given"
        raise DeviceError(f"The folder for files on {transport.address} cannot be written: {reason}.")


def _hashes(transport: Transport, names: list[str]) -> dict[str, str]:
    finished = transport.shell(_HASHES, transport.folder, *names, timeout_s=HASH_TIMEOUT_S)
    lines = (line.split(maxsplit=1) for line in finished.stdout.splitlines())
    return {words[1].lstrip("*"): words[0] for words in lines if len(words) == 2}
