"""CIFAR-10: 60,000 colour photographs in ten classes (Krizhevsky, 2009), in its Python or its binary version."""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import numpy as np

from edgecompress.data.base import Dataset, Loader, Request, Split
from edgecompress.data.bounds import require_memory
from edgecompress.data.published.batch_pickle import read_batch
from edgecompress.data.published.download import Download
from edgecompress.data.published.sources import Published, find
from edgecompress.errors import DataError

LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = "test_batch"
_RECORD_BYTES = 1 + 3 * 32 * 32  # of the binary version: the label, then the red, green and blue plane
_MAX_BATCH_BYTES = 1 << 26  # the real ones have 31 MB
_MAX_ARCHIVE_BYTES = 1 << 28  # the real one holds 186 MB
_MAX_MEMBERS = 64  # the real one has nine; with sizes below 0 an archive could go on for ever
# What gzip and tarfile raise for it: the last three for sizes that no file has, and for headers in headers.
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, OverflowError, ValueError, RecursionError)


def read_folder(folder: Path) -> tuple[Split, Split] | None:
    """Read a folder of batches, with names that end in nothing (Python) or in .bin; None if one is not there."""
    for suffix in ("", ".bin"):
        paths = [folder / f"{name}{suffix}" for name in (*_TRAIN, _TEST)]
        if all(path.is_file() for path in paths):
            for path in paths:
                _require_size(path.stat().st_size, _MAX_BATCH_BYTES, str(path))
            return _assemble({path.name: path.read_bytes() for path in paths}, folder)
    return None


def read_archive(path: Path) -> tuple[Split, Split]:
    """Read cifar-10-python.tar.gz or cifar-10-binary.tar.gz in memory; nothing is extracted to disk.

    Raises:
        DataError: larger than the real one, damaged, or without one of the six batches.
    """
    require_memory(_MAX_ARCHIVE_BYTES, str(path))
    batches: dict[str, bytes] = {}
    try:
        with gzip.open(path) as packed:
            plain = packed.read(_MAX_ARCHIVE_BYTES + 1)
        _require_size(len(plain), _MAX_ARCHIVE_BYTES, str(path))
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
            for member in islice(archive, _MAX_MEMBERS):
                name = member.name.rpartition("/")[2]
                if member.isreg() and name.removesuffix(".bin") in (*_TRAIN, _TEST):
                    _require_size(member.size, _MAX_BATCH_BYTES, f"{path}: {member.name}")
                    stream = archive.extractfile(member)
                    batches[name] = stream.read() if stream else b""
    except _DAMAGE as error:
        raise DataError(f"{path} is cut short or damaged: {error}.", hint="Get the file again.") from error
    splits = _assemble(batches, path)
    if splits is None:
        raise DataError(f"{path} does not hold {', '.join(_TRAIN)} and {_TEST}; it holds {sorted(batches) or 'none'}.")
    return splits


def _require_size(size_bytes: int, limit_bytes: int, what: str) -> None:
    if size_bytes > limit_bytes:
        raise DataError(f"{what} is larger than CIFAR-10 is: more than {limit_bytes} bytes.")


def _assemble(batches: Mapping[str, bytes], where: Path) -> tuple[Split, Split] | None:
    for suffix, parse in (("", _parse_pickle), (".bin", _parse_binary)):
        if all(f"{name}{suffix}" in batches for name in (*_TRAIN, _TEST)):
            *train, test = (parse(batches[f"{name}{suffix}"], f"{where}: {name}{suffix}") for name in (*_TRAIN, _TEST))
            images = np.concatenate([split.images for split in train])
            return Split(images, np.concatenate([split.labels for split in train])), test
    return None


def _parse_pickle(data: bytes, what: str) -> Split:
    pixels, labels = read_batch(data, what)
    return _split(pixels, np.asarray(labels, np.int64), what)


def _parse_binary(data: bytes, what: str) -> Split:
    if len(data) % _RECORD_BYTES:
        raise DataError(f"{what} has {len(data)} bytes, which is not a multiple of {_RECORD_BYTES} an image.")
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD_BYTES)
    return _split(records[:, 1:], records[:, 0].astype(np.int64), what)


def _split(planes: np.ndarray, labels: np.ndarray, what: str) -> Split:
    if len(planes) != len(labels):
        raise DataError(f"{what} holds {len(planes)} images and {len(labels)} labels for them.")
    return Split(np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels)


PUBLISHED = Published(
    name="cifar10",
    forms=(
        ("cifar-10-batches-py", read_folder),
        ("cifar-10-batches-py-target/cifar-10-batches-py", read_folder),  # Keras 3
        ("cifar-10-batches-bin", read_folder),
        ("cifar-10-python.tar.gz", read_archive),
        ("cifar-10-batches-py.tar.gz", read_archive),  # tf_keras
        ("cifar-10-batches-py-target_archive", read_archive),  # Keras 3
        ("cifar-10-binary.tar.gz", read_archive),
    ),
    folder=read_folder,
    # Address and hash as in tf_keras.datasets.cifar10.
    downloads=(
        Download(
            "cifar-10-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            170498071,
        ),
    ),
)


def read(request: Request) -> Dataset:
    """Find CIFAR-10 and read it."""
    (train, test), source = find(PUBLISHED, data_dir=request.data_dir, on_progress=request.on_progress)
    return Dataset("cifar10", train, test, LABELS, 3, source)


CIFAR10 = Loader("cifar10", "60,000 photographs of ten kinds, 32x32 colour", read)
