"""What a child process serves: a module with named requests, the limits it runs under, and what a request is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecompress.child.channel import MAX_ARRAY_BYTES, MAX_HEADER_BYTES, Channel
from edgecompress.progress import Progress


@dataclass(frozen=True)
class Limits:
    """What a child may take; what it exceeds is an error of its own, or its end, and never that of its parent."""

    address_space_bytes: int | None = None  # None: half of this machine's memory, and at least 2 GiB
    file_bytes: int = 1 << 30  # of each file that it writes
    open_files: int = 256
    header_bytes: int = MAX_HEADER_BYTES  # of the JSON of one frame
    array_bytes: int = MAX_ARRAY_BYTES  # of all arrays of one frame, to it and from it

    def channel(self, read_fd: int, write_fd: int) -> Channel:
        """Return an end of the pipes whose frames keep to these limits."""
        return Channel(read_fd, write_fd, max_header_bytes=self.header_bytes, max_array_bytes=self.array_bytes)


@dataclass(frozen=True)
class Service:
    """A module whose `REQUESTS` name functions `(Request, **arguments) -> Answer`, and the limits of its child.

    An `EdgeCompressError` that a request raises arrives at the caller as it is; any other exception is a refusal.
    """

    module: str
    limits: Limits = Limits()
    preload: tuple[str, ...] = ()  # modules that the child imports before it is asked anything


@dataclass(frozen=True)
class Request:
    """What comes with a request, besides its arguments."""

    arrays: list[np.ndarray]
    scratch: Path  # a folder that the parent removes when it ends the child
    on_progress: Progress


Answer = tuple[Any, list[np.ndarray]]  # JSON and arrays
Handler = Callable[..., Answer]
