"""Vector quantization of a matrix: parts of rows are replaced by words of a codebook.

Gong et al., Compressing Deep Convolutional Networks using Vector Quantization, arXiv:1412.6115.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgecompress.errors import MethodError, ModelFileError
from edgecompress.numerics.generated.protocol import Generated

FLOAT_BITS = 32


@dataclass(frozen=True, eq=False)
class VectorCodebook(Generated):
    """A matrix [rows, spaces * length] as words: in each space, a stretch of columns, every row names one word a stage.

    Raises:
        ModelFileError: types or shapes do not fit each other, or an index names no word.
    """

    kind: ClassVar[str] = "vector_codebook"

    codebooks: np.ndarray  # float32 [stages, spaces, words, length]
    indices: np.ndarray  # whole numbers [stages, spaces, rows], 0..words - 1

    def __post_init__(self) -> None:
        """Check what a file may have got wrong."""
        books, indices = self.codebooks, self.indices
        typed = books.dtype == np.float32 and indices.dtype.kind in "iu"
        fits = typed and books.ndim == 4 and indices.ndim == 3 and books.shape[:2] == indices.shape[:2]
        if not fits or min(books.shape) < 1 or (indices < 0).any() or (indices >= books.shape[2]).any():
            raise ModelFileError(
                f"Indices {indices.dtype}{list(indices.shape)} do not fit codebooks {books.dtype}{list(books.shape)}, "
                "which are float32[stages, spaces, words, length].",
                hint="The file is damaged; write it again.",
            )

    def arrays(self) -> dict[str, np.ndarray]:
        """Return codebooks and indices."""
        return {"codebooks": self.codebooks, "indices": self.indices}

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the codebooks with these indices."""
        return cls(arrays["codebooks"], arrays["indices"])

    def decode(self) -> np.ndarray:
        """Return the matrix, float32: the words of stage 0, plus those of stage 1, and so on, each sum rounded."""
        return np.add.reduce(self.decode_stages(), axis=0, dtype=np.float32)

    def decode_stages(self) -> np.ndarray:
        """Return what each stage adds, float32 [stages, rows, spaces * length]."""
        stages, _, rows = self.indices.shape
        parts = np.take_along_axis(self.codebooks, self.indices[..., None].astype(np.int64), axis=2)
        return parts.transpose(0, 2, 1, 3).reshape(stages, rows, -1)

    @property
    def size_bits(self) -> int:
        """Bits of codebooks and indices: `t (32 k n + m s ceil(log2 k))`.

        t stages, k words, n columns, m rows, s spaces. The paper's rate has one stage, and log2 k not rounded up.
        """
        words = self.codebooks.shape[2]
        return FLOAT_BITS * self.codebooks.size + self.indices.size * (words - 1).bit_length()


def product_quantization(matrix: np.ndarray, *, spaces: int, words: int, seed: int) -> VectorCodebook:
    """Cut the columns into `spaces` stretches of equal length, and quantize each by k-means with `words` words.

    With as many spaces as columns, this is k-means of the numbers of each column; that of all numbers of a matrix,
    with one codebook, is the product quantization of `matrix.reshape(-1, 1)` in one space. A space with no more
    distinct rows than words is kept exactly, unused words being zeros.

    Raises:
        MethodError: the columns cannot be cut so, or there is no word.
    """
    rows, columns = matrix.shape
    if spaces < 1 or columns < 1 or columns % spaces or words < 1 or rows < 1:
        raise MethodError(
            f"A matrix of {rows} x {columns} cannot be quantized in {spaces} spaces of equal length by {words} words.",
            hint="Choose a number of spaces that divides the columns, and at least one word.",
        )
    from threadpoolctl import threadpool_limits

    parts = np.split(matrix.astype(np.float32), spaces, axis=1)
    with threadpool_limits(1):  # sums do not depend on the number of cores, and small problems are faster
        books, indices = zip(*(_k_means(part, words, seed) for part in parts), strict=True)
    return VectorCodebook(np.stack(books)[None], np.stack(indices)[None])


def residual_quantization(matrix: np.ndarray, *, stages: int, words: int, seed: int) -> VectorCodebook:
    """Quantize whole rows by k-means, then what is left of them, `stages` times; the error never grows with a stage.

    Raises:
        MethodError: there is no stage or no word.
    """
    if stages < 1:
        raise MethodError(f"At least one stage was expected, {stages} came.", hint="Use one to four stages.")
    decoded = np.zeros(matrix.shape, np.float32)
    found = []
    for _ in range(stages):
        found.append(product_quantization(matrix - decoded, spaces=1, words=words, seed=seed))
        decoded = decoded + found[-1].decode()
    return VectorCodebook(
        np.concatenate([stage.codebooks for stage in found]), np.concatenate([stage.indices for stage in found])
    )


def table_matmul(inputs: np.ndarray, codebook: VectorCodebook) -> np.ndarray:
    """Return `inputs @ codebook.decode().T`, float32 [samples, rows], up to rounding, without the matrix.

    In each space, the products of an input's stretch with all words make a table, [samples, words], and each row adds
    the entry of its word: `samples n k` multiplications a stage instead of `samples n m`, with n columns, m rows and k
    words. Wu et al., Quantized Convolutional Neural Networks, arXiv:1512.06473.
    """
    stages, spaces, rows = codebook.indices.shape
    length = codebook.codebooks.shape[3]
    outputs = np.zeros((len(inputs), rows), np.float32)
    for stage, space in np.ndindex(stages, spaces):
        part = inputs[:, space * length : (space + 1) * length].astype(np.float32, copy=False)
        table = part @ codebook.codebooks[stage, space].T
        outputs += table[:, codebook.indices[stage, space]]
    return outputs


def _k_means(points: np.ndarray, words: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the words, float32 [words, length], and the word of each point."""
    index_type = np.min_scalar_type(words - 1)
    distinct, indices = np.unique(points, axis=0, return_inverse=True)
    if len(distinct) <= words:  # k-means would warn, and find no better
        return np.pad(distinct, [(0, words - len(distinct)), (0, 0)]), indices.ravel().astype(index_type)
    from sklearn.cluster import KMeans

    fitted = KMeans(words, n_init=1, random_state=seed).fit(points)
    return fitted.cluster_centers_.astype(np.float32), fitted.labels_.astype(index_type)
