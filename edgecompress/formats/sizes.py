"""How large a file is, and how large after the two compressions that a download or an application package may apply."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

from edgecompress.errors import ModelFileError

GZIP_LEVEL = 9
ZSTD_LEVEL = 19


@dataclass(frozen=True)
class Sizes:
    """Bytes of a file as it is, as gzip at level 9 and as Zstandard at level 19 write it."""

    raw_bytes: int
    gzip_bytes: int
    zstd_bytes: int


def compressed_sizes(path: str | Path) -> Sizes:
    """Compress a file in memory, and count.

    Headers are counted; gzip's holds neither name nor time, Zstandard's the size and no checksum, so that the figures
    depend on the content alone. The encoder is zlib's; the command `gzip` has its own, which differs by some bytes.

    Raises:
        ModelFileError: there is no such file, or it cannot be read.
    """
    import zstandard

    path = Path(path)
    if not path.is_file():  # a device or a pipe might never end
        raise ModelFileError(f"There is no file '{path}'.", hint="Is the path right?")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"Cannot read '{path}': {error.strerror or error}.") from error
    return Sizes(
        raw_bytes=len(content),
        gzip_bytes=len(gzip.compress(content, GZIP_LEVEL, mtime=0)),
        zstd_bytes=len(zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(content)),
    )
