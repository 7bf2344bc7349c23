"""Files on a device, by their content: pushed once, checked by hash, never believed by name or size."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from edgecompress.devices.answers import whole
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.devices.wire.client import last_line
from edgecompress.devices.wire.greeting import CANDIDATES, PRIVATE
from edgecompress.devices.wire.hashes import digest
from edgecompress.devices.wire.transport import Transport
from edgecompress.errors import DeviceError
from edgecompress.progress import Progress, silent
from edgecompress.storage import sha256_of

HASH_TIMEOUT_S = 120
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")

# $1: the folder; $2: the tool; then the files.
_HASHES = r"""
cd "$1" 2>/dev/null || exit 0
tool=$2; shift 2
for each in "$@"; do
  [ -f "$each" ] && $tool < "$each" 2>/dev/null | { read -r found rest; echo "$found $each"; }
done
"""

# $1: our own part of a path; $2: whether to look everywhere where files may lie; then folders of ours. Only what is
# named as we name it is removed, and where anybody may make folders, only this user's.
_CLEAN = r"""
home=$(cd 2>/dev/null && pwd)
user=$(id -u) part=$1 everywhere=$2; shift 2
[ -n "$everywhere" ] && set -- "$@" CANDIDATES
owner() { ls -ldn "$1" 2>/dev/null | { read -r mode links owner rest; echo "$owner"; }; }
for each in "$@"; do
  case $each in
    '~/'*) each=$home/${each#??} ;;
    /tmp/* | /var/tmp/* | /dev/shm/*) [ ! -L "$each" ] && [ "$(owner "$each")" = "$user" ] || continue ;;
    /*) ;;
    *) each=$home/$each ;;
  esac
  for version in "$each"/v[0-9]*; do
    [ -d "$version" ] || continue
    size=$(du -sk "$version" 2>/dev/null | { read -r size rest; echo "$size"; })
    rm -rf "$version" && echo "removed=$size" || echo "left=$version"
  done
  rmdir "$each" 2>/dev/null
done
exit 0
"""


def place(transport: Transport, files: Mapping[str, Path], *, on_push: Progress = silent) -> dict[str, str]:
    """Bring files onto a device, and return where each is there; `files` maps the names to the host's paths.

    A file lies in `FOLDER/SHA-256/NAME`, and is there as a whole or not at all. Files of one hash are the same file.
    This machine's own files are used where they are.

    Raises:
        DeviceError: the device is full, cannot be written, or goes away.
    """
    if isinstance(transport, LocalTransport):
        return {name: str(path.resolve()) for name, path in files.items()}
    hashes = {name: sha256_of(path) for name, path in files.items()}
    targets = {name: f"{hashes[name]}/{_UNSAFE.sub('_', name).lstrip('-.') or 'file'}" for name in files}
    present = _hashes(transport, list(targets.values()))
    hasher = transport.greeting.hasher
    for name, path in files.items():
        if targets[name] in present and present[targets[name]] == digest(hasher, path.read_bytes()):
            continue
        transport.push(path, f"{transport.folder}/{targets[name]}", on_bytes=partial(on_push, name))
    return {name: f"{transport.folder}/{target}" for name, target in targets.items()}


def clean(transport: Transport) -> int:
    """Remove all that edgecompress has put on a device, wherever files may lie; return the bytes, as `du` counts.

    Raises:
        DeviceError: something cannot be removed, or the device cannot be reached.
    """
    if isinstance(transport, LocalTransport):
        words = [PRIVATE, "", transport.folder.rpartition("/")[0]]
    else:
        wanted = transport.address.folder
        words = [PRIVATE, "all", *([f"{wanted}/{PRIVATE}"] if wanted else [])]
    finished = transport.shell(_CLEAN.replace("CANDIDATES", CANDIDATES), *words, timeout_s=HASH_TIMEOUT_S)
    lines = [line.partition("=") for line in finished.stdout.splitlines()]
    if left := [path for key, _, path in lines if key == "left"]:
        raise DeviceError(f"Cannot remove '{left[0]}' on {transport.address}: {last_line(finished.stderr)}.")
    return 1024 * sum(whole(size) or 0 for key, _, size in lines if key == "removed")


def _hashes(transport: Transport, names: list[str]) -> dict[str, str]:
    """What lies there already, by the device's own tool; without one nothing is believed, and all is pushed anew."""
    if not (hasher := transport.greeting.hasher):
        return {}
    finished = transport.shell(_HASHES, transport.folder, hasher, *names, timeout_s=HASH_TIMEOUT_S)
    lines = (line.split(" ", 1) for line in finished.stdout.splitlines())
    return {words[1]: words[0] for words in lines if len(words) == 2}
