"""The folder of ssh's shared connection: it goes with its user, or, if that is killed, with the next one's start."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PLACE = "/tmp"  # a socket's path must be short, which TMPDIR need not be
PREFIX = "edgecompress-ssh-"


class SocketFolder:
    """A folder of our own, locked as long as this process uses it: one that is not is left over."""

    def __init__(self) -> None:
        self._handle: int | None = None
        place = Path(PLACE if Path(PLACE).is_dir() else tempfile.gettempdir())
        _remove_left_over(place)
        while self._handle is None:  # another start may have taken it, still unlocked, for left over
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
            self._handle = _locked(self.path)

    def close(self) -> None:
        """Remove it."""
        if self._handle is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(self._handle)
            self._handle = None

    def __del__(self) -> None:
        self.close()


def _remove_left_over(place: Path) -> None:
    for path in place.glob(f"{PREFIX}*"):
        if (handle := _locked(path)) is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(handle)


def _locked(path: Path) -> int | None:
    """Lock a folder of this user's; None if another process has it, or it is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(handle).st_uid == os.getuid() and os.fstat(handle).st_nlink and path.is_dir():
            return handle
    os.close(handle)
    return None
