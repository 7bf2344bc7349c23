"""Fetch one published file: known size, known SHA-256, limited in time, and on disk only when it is right."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edgecompress.errors import DataError
from edgecompress.progress import Progress, silent

_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class Download:
    """A published file, and the path below the cache folder at which it is kept."""

    path: str
    url: str
    sha256: str
    size_bytes: int


def fetch(
    item: Download,
    folder: Path,
    *,
    silence_timeout_s: float = 30.0,
    timeout_s: float = 3600.0,
    on_progress: Progress = silent,
) -> Path:
    """Download `item` below `folder` and return its path.

    Raises:
        DataError: unreachable, silent for longer than `silence_timeout_s`, not there after `timeout_s`, or of
            another size or hash. Nothing is left behind then.
    """
    target = folder / item.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise DataError(f"{target} cannot be written: {error.strerror}.", hint="Set XDG_CACHE_HOME.") from error
    try:
        with os.fdopen(handle, "wb") as sink, urllib.request.urlopen(item.url, timeout=silence_timeout_s) as answer:
            digest = _copy(answer, sink, item, deadline_s=time.monotonic() + timeout_s, on_progress=on_progress)
        if digest != item.sha256:
            raise DataError(f"{item.url} has the SHA-256 {digest}, not the published {item.sha256}; it was discarded.")
        Path(beside).replace(target)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"{item.url} cannot be downloaded: {getattr(error, 'reason', error)}.") from error
    finally:
        Path(beside).unlink(missing_ok=True)
    return target


def _copy(source: BinaryIO, sink: BinaryIO, item: Download, *, deadline_s: float, on_progress: Progress) -> str:
    """Copy at most `size_bytes`, and return the SHA-256."""
    digest = hashlib.sha256()
    done_bytes = 0
    # read1 returns what has arrived: a server that drips cannot hold the loop past its deadline.
    while chunk := source.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]
        done_bytes += len(chunk)
        if done_bytes > item.size_bytes:
            raise DataError(f"{item.url} sends more than the published {item.size_bytes} bytes; it was discarded.")
        if time.monotonic() > deadline_s:
            raise DataError(f"{item.url} took too long: {done_bytes} of {item.size_bytes} bytes in the time allowed.")
        digest.update(chunk)
        sink.write(chunk)
        on_progress(f"download {Path(item.path).name}", done_bytes, item.size_bytes)
    if done_bytes < item.size_bytes:
        raise DataError(f"{item.url} was cut off after {done_bytes} of {item.size_bytes} bytes.")
    return digest.hexdigest()
