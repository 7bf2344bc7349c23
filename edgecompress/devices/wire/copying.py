"""Files to a device and back through its shell and `cat`, which every device has, instead of sftp or adb's own way.

A file arrives as `TARGET.part`, and gets its name when all of it is there. What a cut has left is gone on with if its
content is the beginning of the file. There is no limit on a copy but that something must arrive.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from edgecompress.devices.address import Address
from edgecompress.devices.answers import whole
from edgecompress.devices.wire.client import last_line
from edgecompress.devices.wire.conversation import Conversation
from edgecompress.devices.wire.hashes import digest
from edgecompress.errors import DeviceError, DeviceGone

if TYPE_CHECKING:
    from edgecompress.devices.wire.transport import Transport

LONGEST_S = 24 * 3600.0  # what the device itself allows
STALLED_S = 60.0
REJOIN_S = 20.0
PIECE_BYTES = 1 << 16
NOT_WRITTEN, DAMAGED = 3, 5  # exit statuses of ours

OnBytes = Callable[[int, int], None]  # bytes that are there, of how many

# $1: the target; $2: the hash tool; $3: the hash; $4: the size. Tells what is there already, reads what to do with it
# and then the bytes, and tells every second how many have arrived: those that wait in between do not count.
_TAKE = r"""
part=$1.part
said() { [ -n "$1" ] && $1 < "$2" 2>/dev/null | { read -r found rest; echo "$found"; }; }
(umask 077; mkdir -p "${1%/*}") || exit 3
size=$(wc -c < "$part" 2>/dev/null) || size=0
echo "$((size)) $(said "$2" "$part")"
read -r what
[ "$what" = append ] || { rm -rf "$part" && : > "$part"; } || exit 3
( while sleep 1 >/dev/null && wc -c < "$part"; do :; done ) 2>/dev/null </dev/null & ticker=$!
cat >> "$part"; copied=$?
kill $ticker 2>/dev/null
[ $copied = 0 ] || { rm -f "$part"; exit 4; }
[ "$(($(wc -c < "$part")))" = "$4" ] && [ "$(said "$2" "$part")" = "$3" ] || exit 5
chmod 755 "$part" && mv -f "$part" "$1" || exit 3
"""
_GIVE = 'wc -c < "$1" && cat "$1"'


def send(transport: Transport, source: Path, target: str, on_bytes: OnBytes) -> None:
    """Copy a file of the host to a device's path, and begin again where a lost connection has cut it.

    Raises:
        DeviceError: the device is full, cannot be written, or damages it; DeviceGone if it stays away.
    """
    data = source.read_bytes()
    reached, before = 0, -PIECE_BYTES

    def progress(done: int, total: int) -> None:
        nonlocal reached
        reached = max(reached, done)
        on_bytes(done, total)

    while True:
        try:
            return _send_once(transport, data, target, progress)
        except DeviceGone:
            if reached < before + PIECE_BYTES:  # the line carries nothing to speak of
                raise
            before = reached
            transport.reconnect(within_s=REJOIN_S, on_try=lambda: on_bytes(reached, len(data)))


def _send_once(transport: Transport, data: bytes, target: str, on_bytes: OnBytes) -> None:
    hasher = transport.greeting.hasher
    words = ["sh", "-c", _TAKE, "sh", target, hasher, digest(hasher, data), str(len(data))]
    talk = transport.converse(words, timeout_s=LONGEST_S, doing="a copy")
    try:
        size, _, found = (talk.receive(timeout_s=STALLED_S) or "").partition(" ")
        there = whole(size) or 0
        there = there if 0 < there <= len(data) and found and found == digest(hasher, data[:there]) else 0
        talk.send("append" if there else "anew")
        talk.send_bytes(data[there:])
        talk.close_input()
        on_bytes(there, len(data))
        moved_s = time.monotonic()
        while (line := talk.receive(timeout_s=STALLED_S)) is not None:
            if (arrived := whole(line) or 0) > there:
                there, moved_s = arrived, time.monotonic()
                on_bytes(min(there, len(data)), len(data))
            elif time.monotonic() - moved_s > STALLED_S:
                raise DeviceGone(
                    f"{transport.address} took no more of a file for {STALLED_S:g} s.", hint="Is the line still up?"
                )
        _require_done(transport.address, talk)
    finally:
        talk.finish(timeout_s=1)


def fetch(transport: Transport, source: str, target: Path) -> None:
    """Copy a file of a device to a path on the host.

    Raises:
        DeviceError: there is no such file, this machine cannot write, or the device goes away.
    """
    talk = transport.converse(["sh", "-c", _GIVE, "sh", source], timeout_s=LONGEST_S, doing="a copy")
    try:
        size = whole(talk.receive(timeout_s=STALLED_S) or "")
        left = size or 0
        with target.open("wb") as file:
            while left and (data := talk.receive_bytes(min(left, PIECE_BYTES), timeout_s=STALLED_S)):
                file.write(data)
                left -= len(data)
        if size is None or left:
            while talk.receive(timeout_s=STALLED_S) is not None:
                continue
            _require_done(transport.address, talk)
            raise copy_error(transport.address, f"{left} bytes of '{source}' did not come")
    except OSError as error:
        raise DeviceError(f"Cannot write '{target}': {error.strerror}.") from error
    finally:
        talk.finish(timeout_s=1)


def copy_error(address: Address, reason: str) -> DeviceError:
    """Return the sentence for a copy that failed: the disk, or anything else."""
    if "No space left" in reason or "quota exceeded" in reason:
        hint = f"Make room, for example with `edgecompress devices clean --on {shlex.quote(str(address))}`."
        return DeviceError(f"The disk of {address} is full.", hint=hint)
    return DeviceError(f"Copying to or from {address} failed: {reason}.")


def _require_done(address: Address, talk: Conversation) -> None:
    said = last_line(talk.stderr_end())
    if talk.status == DAMAGED:
        raise DeviceError(f"A file arrived damaged on {address}.", hint="Is its disk full, or failing?")
    if talk.status == NOT_WRITTEN and "No space left" not in said:
        raise DeviceError(f"The folder for files on {address} cannot be written: {said}.")
    if talk.status:
        raise copy_error(address, said)
