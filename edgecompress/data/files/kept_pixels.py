"""Decoded images in a file, as they are too large for memory, and found again by what they were decoded from."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.data.published.sources import cache_folder
from edgecompress.errors import DataError
from edgecompress.storage import is_part, written_whole

SPARE_BYTES = 1 << 30  # of the disk that are left to others
OLD_S = 24 * 3600.0


def key_of(paths: Sequence[Path], shape: tuple[int, ...], wanted: Any) -> str:
    """Return what names the pixels of these files: their paths, sizes and times, and what they are to become."""
    digest = hashlib.sha256(repr((shape, wanted)).encode())
    for path in paths:
        found = path.stat()
        digest.update(f"{path.resolve()}\0{found.st_size}\0{found.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def kept_pixels(
    key: str, shape: tuple[int, ...], write: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the array of this key on disk, read-only, and which of its images were whole; `write` fills a new one.

    Raises:
        DataError: the disk has no room for it.
    """
    folder = cache_folder() / "pixels"
    place, numbers = folder / f"{key}.npy", folder / f"{key}.whole.npy"
    found = _found(place, numbers, shape)
    if found is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    needed, free = int(np.prod(shape, dtype=object)), shutil.disk_usage(folder).free
    if needed + SPARE_BYTES > free:
        raise DataError(
            f"The pixels of {shape[0]} images take {needed / 2**30:.1f} GiB in {folder}, and {free / 2**30:.1f} GiB "
            "are free there.",
            hint="Use fewer images or a smaller resolution, or name another place with XDG_CACHE_HOME.",
        )
    _remove_old_parts(folder)
    with written_whole(place) as beside:
        pixels = np.lib.format.open_memmap(beside, mode="w+", dtype=np.uint8, shape=shape)
        with beside.open("r+b") as file:  # or a disk that gets full would end the process by a signal
            os.posix_fallocate(file.fileno(), 0, beside.stat().st_size)
        whole = write(pixels)
        pixels.flush()
        del pixels
        with written_whole(numbers) as short:
            np.save(short, whole)
    return np.load(place, mmap_mode="r"), whole


def _remove_old_parts(folder: Path) -> None:
    """Remove what a killed process has left half-written; what another one is writing now is younger."""
    for path in folder.iterdir():
        if is_part(path) and time.time() - path.stat().st_mtime > OLD_S:
            path.unlink(missing_ok=True)


def _found(place: Path, numbers: Path, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    try:
        pixels, whole = np.load(place, mmap_mode="r"), np.load(numbers)
    except (OSError, ValueError, EOFError):  # there is none, or it is damaged, and is then made anew
        return None
    fits = pixels.shape == shape and pixels.dtype == np.uint8 and whole.dtype == np.int64 and whole.ndim == 1
    return (pixels, whole) if fits and len(whole) <= len(pixels) else None
