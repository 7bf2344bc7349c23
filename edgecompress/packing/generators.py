"""What methods hand down of the kernels that they made: enough to make every element again, bit by bit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from edgecompress.numerics.hashing import hashed_index_at, hashed_sign_at
from edgecompress.packing.codings.base import MAX_BYTES, damaged
from edgecompress.packing.wire import Reader, Writer

FLOAT_BYTES = 4
MAX_WORDS = 256  # of a codebook: an index is a byte
MAX_STAGES = 16
MAX_AXES = 6
MAX_SIDE = 1 << 24
ReadArrays = Callable[[Reader, list[int]], list[np.ndarray]]


class Axis(NamedTuple):
    """How far a step along an axis of a tensor goes in the generator's matrix."""

    length: int
    row_stride: int
    column_stride: int


class Generator(ABC):
    """A kernel, float32, as the matrix [inputs, outputs] of a formula's values: Keras's, its last axis the outputs."""

    kind: ClassVar[int]
    name: str

    @property
    @abstractmethod
    def words(self) -> str:
        """Return what `--explain` prints of it."""

    @property
    @abstractmethod
    def matrix_shape(self) -> tuple[int, int]:
        """Return the numbers of inputs and outputs."""

    @abstractmethod
    def elements(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the elements at these places, float32."""

    @abstractmethod
    def write(self, parameters: Writer) -> list[np.ndarray]:
        """Write all that is needed but the arrays, and return those as bytes, uint8."""

    @classmethod
    @abstractmethod
    def read(cls, parameters: Reader, read_arrays: ReadArrays) -> Generator:
        """Read what `write` wrote, and the arrays."""


@dataclass(frozen=True, eq=False)
class Vectors(Generator):
    """Product and residual quantization: columns are sums, over stages, of vectors out of codebooks.

    `W[space * length + t, output] = sum_stage codebooks[stage, space, indices[stage, space, output], t]`, added in the
    order of the stages, in float32. Gong et al., arXiv:1412.6115.
    """

    kind: ClassVar[int] = 0
    name: str
    codebooks: np.ndarray  # float32 [stages, spaces, words, length]
    indices: np.ndarray  # uint8 [stages, spaces, outputs]

    @property
    def words(self) -> str:
        """Return the codebooks' shape."""
        stages, spaces, words, length = self.codebooks.shape
        return f"generated: {stages} x {spaces} codebooks of {words} vectors of {length}"

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """Return the numbers of inputs and outputs."""
        return self.codebooks.shape[1] * self.codebooks.shape[3], self.indices.shape[2]

    def elements(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the sums at these places."""
        spaces, places = np.divmod(rows, self.codebooks.shape[3])
        total = None
        for vectors, indices in zip(self.codebooks, self.indices, strict=True):
            found = vectors[spaces, indices[spaces, columns], places]
            with np.errstate(all="ignore"):  # what is no number stays none
                total = found if total is None else total + found
        assert total is not None
        return total

    def write(self, parameters: Writer) -> list[np.ndarray]:
        """Write the shapes."""
        for length in (*self.codebooks.shape, self.indices.shape[2]):
            parameters.number(length)
        return [np.frombuffer(self.codebooks.astype("<f4").tobytes(), np.uint8), self.indices.ravel()]

    @classmethod
    def read(cls, parameters: Reader, read_arrays: ReadArrays) -> Vectors:
        """Read the shapes, the codebooks and the indices."""
        stages, spaces = parameters.number(most=MAX_STAGES), parameters.number(most=MAX_SIDE)
        words, length = parameters.number(most=MAX_WORDS), parameters.number(most=MAX_SIDE)
        outputs = parameters.number(most=MAX_SIDE)
        sizes = [FLOAT_BYTES * stages * spaces * words * length, stages * spaces * outputs]
        if not min(sizes) or max(sizes) > MAX_BYTES:
            raise damaged(f"codebooks of {sizes[0]} and indices of {sizes[1]} bytes")
        codebooks, indices = read_arrays(parameters, sizes)
        if indices.max() >= words:
            raise damaged(f"an index beyond a codebook of {words}")
        return cls(
            "",
            codebooks.view("<f4").reshape(stages, spaces, words, length),
            indices.reshape(stages, spaces, outputs),
        )


@dataclass(frozen=True, eq=False)
class Hashed(Generator):
    """HashedNets: `W[i, j] = xi(i, j) weights[h(i, j)]`, h and xi by XXH32. Chen et al., arXiv:1504.04788."""

    kind: ClassVar[int] = 1
    name: str
    weights: np.ndarray  # float32 [buckets]
    seed: int
    matrix_shape: tuple[int, int] = (MAX_SIDE, MAX_SIDE)  # a packed file has none, and needs none

    @property
    def words(self) -> str:
        """Return how many weights there are."""
        return f"generated: {len(self.weights)} hashed weights, seed {self.seed}"

    def elements(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return the weights at these places, with their signs."""
        indices = hashed_index_at(rows, columns, buckets=len(self.weights), seed=self.seed)
        with np.errstate(invalid="ignore"):  # a weight may be no number, and stays so
            return self.weights[indices] * hashed_sign_at(rows, columns, seed=self.seed)

    def write(self, parameters: Writer) -> list[np.ndarray]:
        """Write the seed and the number of weights."""
        parameters.number(self.seed)
        parameters.number(len(self.weights))
        return [np.frombuffer(self.weights.astype("<f4").tobytes(), np.uint8)]

    @classmethod
    def read(cls, parameters: Reader, read_arrays: ReadArrays) -> Hashed:
        """Read the seed and the weights."""
        seed, buckets = parameters.number(most=(1 << 32) - 1), parameters.number(most=MAX_BYTES // FLOAT_BYTES)
        if not buckets:
            raise damaged("no hashed weights")
        (weights,) = read_arrays(parameters, [FLOAT_BYTES * buckets])
        return cls("", weights.view("<f4"), seed)


GENERATORS: tuple[type[Generator], ...] = (Vectors, Hashed)
