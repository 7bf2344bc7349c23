"""What every data set is once it is loaded: two splits of 8-bit images with integer labels, and their names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from edgecompress.data.rows import Images, rows
from edgecompress.errors import DataError
from edgecompress.progress import Progress, silent
from edgecompress.values import DataRecord

CHUNK = 1024  # images that are read at one time


@dataclass(frozen=True, eq=False)
class Split:
    """Images `uint8 (N, H, W, C)`, at the size they came in, in memory or on disk, and their labels `int64 (N,)`.

    Raises:
        DataError: another type or shape, channels other than 1 or 3, or not one label an image.
    """

    images: Images
    labels: np.ndarray

    def __post_init__(self) -> None:
        require_images(self.images)
        if self.labels.dtype != np.int64 or self.labels.shape != (len(self.images),):
            raise DataError(
                f"Expected int64 labels of shape ({len(self.images)},), one an image; "
                f"got {self.labels.dtype} of shape {self.labels.shape}."
            )

    def __len__(self) -> int:
        return len(self.images)

    def only(self, chosen: np.ndarray) -> Split:
        """Return the images with these numbers, or where this mask is true."""
        return Split(rows(self.images, chosen), self.labels[chosen])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split; `labels[i]` is the name of class `i`, `source` says where it was found.

    Raises:
        DataError: fewer than two classes, a label without a name, a class without a training image, an empty
            split, or splits whose channels differ from `channels`.
    """

    name: str
    train: Split
    test: Split
    labels: tuple[str, ...]
    channels: int
    source: str
    notes: tuple[str, ...] = ()  # sentences about what was left out
    held_out: Split | None = None  # images that only score the epochs of a training, where the data has such

    def __post_init__(self) -> None:
        if len(self.labels) < 2:
            raise DataError(
                f"{self.name} has {len(self.labels)} class(es) {list(self.labels)}; a classifier needs at least two."
            )
        parts = [("training", self.train), ("test", self.test)]
        for part, split in parts + ([("validation", self.held_out)] if self.held_out else []):
            if not len(split):
                raise DataError(f"The {part} split of {self.name} ({self.source}) holds no image.")
            if split.images.shape[-1] != self.channels:
                raise DataError(
                    f"The {part} images of {self.name} have {split.images.shape[-1]} channel(s), not {self.channels}."
                )
            low, high = int(split.labels.min()), int(split.labels.max())
            if low < 0 or high >= len(self.labels):
                raise DataError(
                    f"The {part} labels of {self.name} lie in {low}..{high}; "
                    f"{len(self.labels)} classes have the labels 0..{len(self.labels) - 1}."
                )
        counts = np.bincount(self.train.labels, minlength=len(self.labels))
        if (counts == 0).any():
            empty = [self.labels[index] for index in np.flatnonzero(counts == 0)]
            raise DataError(f"Without an image in the training split of {self.name}: class {', '.join(empty[:5])}.")

    @cached_property
    def record(self) -> DataRecord:
        """What names exactly these images: in particular the SHA-256 of pixels, labels, their order and the split."""
        digest = hashlib.sha256("\0".join(self.labels).encode(errors="surrogateescape"))
        for split in (self.train, self.test, *([self.held_out] if self.held_out else [])):
            digest.update(str(split.images.shape).encode())
            for start in range(0, len(split), CHUNK):
                digest.update(np.ascontiguousarray(split.images[start : start + CHUNK]).data)
            digest.update(np.ascontiguousarray(split.labels).data)
        return DataRecord(self.name, self.source, digest.hexdigest(), len(self.train), len(self.test), self.notes)


@dataclass(frozen=True)
class Request:
    """What a loader is asked for: the text after `NAME:`, where to look, and how images are to be read."""

    spec: str
    path: Path  # the current folder where the loader takes none
    data_dir: Path | None = None
    size: tuple[int, int] | None = None  # height, width
    fit: str = "stretch"
    channels: int | None = None
    seed: int = 0
    on_progress: Progress = silent


@dataclass(frozen=True)
class Loader:
    """One kind of data set: its name, what it is, and the function that reads it."""

    name: str
    description: str
    read: Callable[[Request], Dataset]
    takes_path: bool = False

    @property
    def form(self) -> str:
        """How it is written on the command line and in recipes."""
        return f"{self.name}:PATH" if self.takes_path else self.name


def require_images(images: Images) -> None:
    """Raise DataError unless `images` is `uint8 (N, H, W, C)` with 1 or 3 channels and no empty side."""
    fits = images.dtype == np.uint8 and images.ndim == 4 and images.shape[3] in (1, 3) and min(images.shape[1:]) >= 1
    if not fits:
        raise DataError(
            f"Expected images as uint8 of shape (N, H, W, C) with 1 or 3 channels; "
            f"got {images.dtype} of shape {images.shape}."
        )
