"""The frame around a script that a device's shell runs: what is ours in all that a login says.

A login may print a banner, echo, warn, or say goodbye. The script therefore goes to `sh` on standard input, and begins
and ends with a line on both outputs that nothing else can have printed: a random token, which the text of the script
itself never holds in one piece.
"""

from __future__ import annotations

import secrets

from edgecompress.devices.answers import whole

KEPT_NOISE_BYTES = 4096
UNKNOWN_STATUS = 255
# Appended: what a user's PATH has not, but a board's tools are in. Their words are looked at, so let them be English.
_SETTINGS = 'PATH="$PATH:/usr/sbin:/sbin:/opt/vc/bin"; LC_ALL=C; export PATH LC_ALL'


def new_token() -> str:
    """Return what begins the marks of one script."""
    return secrets.token_hex(8)


def framed(script: str, token: str, *, listens: bool, ends: bool) -> str:
    """Return what to write to a shell so that it runs `script` between marks, and tells its exit status.

    A script that `listens` has the shell's own input, which may be written to only once the begin mark has come: a
    shell reads ahead. With `ends` the shell then leaves. Two empty lines come first, for a `.bashrc` that reads one.
    """
    both = f"printf '%s%s %s\\n' {token} {{}}; printf '%s%s %s\\n' {token} {{}} >&2"
    return (
        f"\n\n{{ {both.format('b 0', 'b 0')}; ({_SETTINGS}\n{script}\n){'' if listens else ' </dev/null'}; s=$?\n"
        f"{both.format('e $s', 'e $s')}; {'exit $s; ' if ends else ''}}}\n"
    )


class Marked:
    """One output of a device, taken apart as it arrives."""

    def __init__(self, token: str) -> None:
        self._marks = [f"{token}{which} ".encode() for which in "be"]
        self._held = bytearray()
        self._noise = b""
        self.status: int | None = None  # of the script, once the end mark has come

    @property
    def begun(self) -> bool:
        """Whether a shell has begun with our script."""
        return len(self._marks) < 2

    @property
    def unexpected(self) -> bytes:
        """The end of what came in the place of a begin mark."""
        return self._noise + bytes(self._held)

    def feed(self, data: bytes) -> bytes:
        """Take what has arrived; return what of it is the script's own."""
        self._held += data
        found = b""
        while self._marks:
            at = self._held.find(self._marks[0])
            before = self._held[: at if at >= 0 else len(self._held) - self._possible()]
            del self._held[: len(before)]
            if self.begun:
                found += before
            else:
                self._noise = (self._noise + before)[-KEPT_NOISE_BYTES:]
            end = self._held.find(b"\n") if at >= 0 else -1
            if end < 0:
                break
            if self.begun:
                told = whole(self._held[len(self._marks[0]) : end].decode(errors="replace"))
                self.status = UNKNOWN_STATUS if told is None else told
            del self._held[: end + 1], self._marks[0]
        return found

    def _possible(self) -> int:
        """How many of the last bytes may be the beginning of the next mark."""
        longest = min(len(self._marks[0]) - 1, len(self._held))
        return next((n for n in range(longest, 0, -1) if self._marks[0].startswith(self._held[-n:])), 0)
