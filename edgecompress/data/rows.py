"""Images of which only some are meant, wherever they lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of an array on disk, by their numbers: read when they are asked for, as an array in memory."""

    array: np.ndarray
    numbers: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the array that they would make."""
        return (len(self.numbers), *self.array.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the array."""
        return self.array.dtype

    @property
    def ndim(self) -> int:
        """That of the array."""
        return self.array.ndim

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, chosen: slice | np.ndarray) -> np.ndarray:
        return np.asarray(self.array[self.numbers[chosen]])


Images = np.ndarray | Rows


def rows(images: Images, chosen: np.ndarray) -> Images:
    """Return the images with these numbers, or where this mask is true: what lies on disk stays there."""
    numbers = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
    if isinstance(images, Rows):
        return Rows(images.array, images.numbers[numbers])
    return Rows(images, numbers) if isinstance(images, np.memmap) else images[numbers]
