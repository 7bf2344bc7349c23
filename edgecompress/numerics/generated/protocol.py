"""What every kernel that is made of fewer numbers has in common: a formula, and the arrays that a file holds of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np


class Generated(ABC):
    """A matrix [rows, columns] as fewer numbers; the arrays are checked when it is made: a file may hold anything."""

    kind: ClassVar[str]  # its name in files

    @abstractmethod
    def decode(self) -> np.ndarray:
        """Return the matrix, float32, the same bits on every machine."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a file holds of it, by name."""

    @classmethod
    @abstractmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Return what has these arrays.

        Raises:
            ModelFileError: they do not fit each other.
        """

    @property
    @abstractmethod
    def size_bits(self) -> int:
        """Bits of its numbers, as its paper counts them."""
