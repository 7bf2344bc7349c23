"""What every data set is once it is loaded: two splits of 8-bit images, what should be said of each, and names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from edgecompress.data.records import are_records
from edgecompress.data.rows import Images, rows
from edgecompress.errors import DataError
from edgecompress.progress import Progress, silent
from edgecompress.values import DataRecord, TensorSpec

CHUNK = 1024  # images that are read at one time


@dataclass(frozen=True, eq=False)
class Split:
    """Images `uint8 (N, H, W, C)`, at the size they came in, in memory or on disk, and their labels.

    In the place of images there may be records `(N,)` of the arrays that a model takes, with a field for each of its
    inputs. Labels are the numbers of classes, `int64 (N,)`, or of each position's, `int64 (N, ...)`; or else what a
    network should answer, `float32 (N, K)`.

    Raises:
        DataError: another type or shape, channels other than 1 or 3, or not one label an image.
    """

    images: Images
    labels: np.ndarray

    def __post_init__(self) -> None:
        if not are_records(self.images):
            require_images(self.images)
        least_axes = {np.dtype(np.int64): 1, np.dtype(np.float32): 2}.get(self.labels.dtype)
        if least_axes is None or self.labels.ndim < least_axes or len(self.labels) != len(self.images):
            raise DataError(
                f"Expected int64 labels of shape ({len(self.images)},), one an image, or float32 ones of shape "
                f"({len(self.images)}, K); got {self.labels.dtype} of shape {self.labels.shape}."
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def has_classes(self) -> bool:
        """Whether the labels are numbers of classes."""
        return self.labels.dtype == np.int64

    def only(self, chosen: np.ndarray) -> Split:
        """Return the images with these numbers, or where this mask is true."""
        return Split(rows(self.images, chosen), self.labels[chosen])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split; `labels[i]` is the name of class or answer `i`, `source` says where it was found.

    Raises:
        DataError: fewer than two classes, a label without a name, a class without a training image, an empty
            split, splits whose channels differ from `channels`, or an answer that is not finite.
    """

    name: str
    train: Split
    test: Split
    labels: tuple[str, ...]
    channels: int  # of images; 0 of arrays
    source: str
    notes: tuple[str, ...] = ()  # sentences about what was left out
    held_out: Split | None = None  # images that only score the epochs of a training, where the data has such

    def __post_init__(self) -> None:
        if self.has_classes and len(self.labels) < 2:
            raise DataError(
                f"{self.name} has {len(self.labels)} class(es) {list(self.labels)}; a classifier needs at least two."
            )
        parts = [("training", self.train), ("test", self.test)]
        for part, split in parts + ([("validation", self.held_out)] if self.held_out else []):
            if not len(split):
                raise DataError(f"The {part} split of {self.name} ({self.source}) holds no image.")
            if self.channels and split.images.shape[-1] != self.channels:
                raise DataError(
                    f"The {part} images of {self.name} have {split.images.shape[-1]} channel(s), not {self.channels}."
                )
            self._require_named(part, split.labels)
        counts = np.bincount(self.train.labels.reshape(-1), minlength=len(self.labels)) if self.has_classes else None
        if counts is not None and (counts == 0).any():
            empty = [self.labels[index] for index in np.flatnonzero(counts == 0)]
            raise DataError(f"Without an image in the training split of {self.name}: class {', '.join(empty[:5])}.")

    @property
    def has_classes(self) -> bool:
        """Whether the labels are numbers of classes, not answers."""
        return self.train.has_classes

    def _require_named(self, part: str, labels: np.ndarray) -> None:
        if not self.has_classes:
            if labels.dtype != np.float32 or labels.shape[-1] != len(self.labels) or not np.isfinite(labels).all():
                raise DataError(
                    f"The {part} answers of {self.name} must be {len(self.labels)} finite numbers a sample; got "
                    f"{labels.dtype} of shape {labels.shape}{'' if np.isfinite(labels).all() else ', not all finite'}."
                )
            return
        if labels.dtype != np.int64 or labels.shape[1:] != self.train.labels.shape[1:]:
            raise DataError(
                f"The {part} labels of {self.name} are {labels.dtype} of shape {labels.shape}; the training ones are "
                f"classes of shape {self.train.labels.shape}."
            )
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= len(self.labels):
            raise DataError(
                f"The {part} labels of {self.name} lie in {low}..{high}; "
                f"{len(self.labels)} classes have the labels 0..{len(self.labels) - 1}."
            )

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
    inputs: tuple[TensorSpec, ...] = ()  # of a model that takes arrays as they are stored, and no images
    answers: bool | None = None  # whether labels are what a network should answer; None where that is not known
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
