"""What a file may ask for before it is believed: no more than deflate can expand to, nor than memory holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edgecompress.errors import DataError

# One deflate code of a bit or two copies 258 bytes at most: zlib's documentation gives 1032:1 as the limit.
MAX_DEFLATE_RATIO = 1032


def require_plausible(claimed_bytes: int, stored_bytes: int, what: str) -> None:
    """Raise DataError if `stored_bytes` cannot decompress to `claimed_bytes`, or memory cannot hold them."""
    if claimed_bytes > MAX_DEFLATE_RATIO * stored_bytes:
        raise DataError(
            f"{what} claims to hold {claimed_bytes} bytes, more than its {stored_bytes} stored bytes can expand to.",
            hint="The file is damaged or not what its name says; get it again.",
        )
    require_memory(claimed_bytes, what)


def require_memory(size_bytes: int, what: str) -> None:
    """Raise DataError if `what` needs more memory than is free now."""
    import psutil

    available_bytes = psutil.virtual_memory().available
    if size_bytes > available_bytes:
        raise DataError(
            f"{what} needs {size_bytes / 2**30:.1f} GiB of memory; {available_bytes / 2**30:.1f} GiB are free.",
            hint="Use fewer images or a smaller resolution.",
        )


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn the operating system's refusals (no permission, an I/O error) into a DataError about `what`."""
    try:
        yield
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise DataError(f"{what} cannot be read: {reason}.") from error
