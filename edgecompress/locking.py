"""One process at a time in a folder: a lock that ends with its holder, however that dies, and leaves no file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgecompress.errors import RunFolderError

_held: set[tuple[int, int]] = set()  # device and inode of the folders that this process has locked


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep a folder, which must exist, to this process for the length of a block; blocks in one process may nest.

    The lock is the system's (`flock`) and lies on the folder itself. Where a network's file system has none, nothing is
    locked.

    Raises:
        RunFolderError: another process has it, or there is no such folder.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RunFolderError(f"Cannot use the folder '{folder}': {error.strerror or error}.") from error
    try:
        status = os.fstat(handle)
        place = (status.st_dev, status.st_ino)
        if place in _held:
            yield
            return
        _take(handle, folder)
        _held.add(place)
        try:
            yield
        finally:
            _held.discard(place)
    finally:
        os.close(handle)


def _take(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RunFolderError(
            f"Another edgecompress is at work in '{folder}'.",
            hint="Wait until it has ended, or take another folder.",
        ) from error
    except OSError:  # a network's file system without locks
        return
