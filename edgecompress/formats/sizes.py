"""How large a file is, and how large after the compressions that a download or an application package may apply."""

from __future__ import annotations

import gzip
import lzma
from dataclasses import dataclass
from pathlib import Path

from edgecompress.errors import ModelFileError

GZIP_LEVEL = 9
ZSTD_LEVEL = 19
XZ_PRESET = 9


@dataclass(frozen=True)
class Sizes:
    """Bytes of a file as it is, as gzip at level 9 and as Zstandard at level 19 write it."""

    raw_bytes: int
    gzip_bytes: int
    zstd_bytes: int


def compressed_sizes(path: str | Path) -> Sizes:
    """Compress a file in memory, and count.

    Raises:
        ModelFileError: there is no such file, or it cannot be read.
    """
    path = Path(path)
    if not path.is_file():  # a device or a pipe might never end
        raise ModelFileError(f"There is no file '{path}'.", hint="Is the path right?")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"Cannot read '{path}': {error.strerror or error}.") from error
    return Sizes(raw_bytes=len(content), gzip_bytes=gzip_bytes(content), zstd_bytes=zstd_bytes(content))


def gzip_bytes(content: bytes) -> int:
    """Return the size by gzip at level 9, whose head holds neither name nor time.

    The encoder is zlib's; the command `gzip` has its own, which differs by some bytes.
    """
    return len(gzip.compress(content, GZIP_LEVEL, mtime=0))


def zstd_bytes(content: bytes) -> int:
    """Return the size by Zstandard at level 19, whose head holds the size and no checksum."""
    import zstandard

    return len(zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(content))


def xz_bytes(content: bytes) -> int:
    """Return the size by xz at level 9, with its usual CRC-64."""
    return len(lzma.compress(content, preset=XZ_PRESET))
