"""The idx format of MNIST and Fashion-MNIST: big-endian header, then bytes; plain or in gzip.

Header: two zero bytes, the element type (0x08 is uint8), the rank, then one 32-bit length a dimension.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edgecompress.data.base import Split
from edgecompress.data.bounds import require_plausible
from edgecompress.errors import DataError

_UINT8 = 0x08
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: Path, *, rank: int) -> np.ndarray:
    """Read a uint8 array of `rank` dimensions.

    Raises:
        DataError: not idx, another type or rank, or a size that does not agree with its header.
    """
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        try:
            return _parse(gzip.open(raw) if packed else raw, path, rank=rank)  # type: ignore[arg-type]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"{path} is cut short or damaged: {error}.", hint="Get the file again.") from error


def _parse(stream: BinaryIO, path: Path, *, rank: int) -> np.ndarray:
    header = stream.read(4 + 4 * rank)
    expected = bytes([0, 0, _UINT8, rank])
    if header[:4] != expected or len(header) < 4 + 4 * rank:
        raise DataError(
            f"{path} is not an idx file of {rank} dimension(s) of uint8: "
            f"it begins with {header[:4].hex(' ')}, not {expected.hex(' ')}."
        )
    shape = struct.unpack(f">{rank}I", header[4:])
    size_bytes = math.prod(shape)
    require_plausible(size_bytes, path.stat().st_size, str(path))
    data = stream.read(size_bytes + 1)
    if len(data) != size_bytes:
        found = "more" if len(data) > size_bytes else str(len(data))
        raise DataError(f"{path} should hold {size_bytes} bytes for its shape {shape}, and holds {found}.")
    return np.frombuffer(data, np.uint8).reshape(shape)


def read_idx_folder(folder: Path) -> tuple[Split, Split] | None:
    """Read the four files of MNIST or Fashion-MNIST in `folder`; None if one of them is not there."""
    splits = []
    for part in ("train", "t10k"):
        images, labels = _find(folder, f"{part}-images", rank=3), _find(folder, f"{part}-labels", rank=1)
        if images is None or labels is None:
            return None
        splits.append(_split(read_idx(images, rank=3), read_idx(labels, rank=1), folder))
    return splits[0], splits[1]


def _find(folder: Path, stem: str, *, rank: int) -> Path | None:
    names = (f"{stem}{joint}idx{rank}-ubyte{suffix}" for joint in "-." for suffix in ("", ".gz"))
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _split(images: np.ndarray, labels: np.ndarray, folder: Path) -> Split:
    if len(images) != len(labels):
        raise DataError(f"{folder} holds {len(images)} images and {len(labels)} labels for them.")
    return Split(images[..., np.newaxis], labels.astype(np.int64))
