from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from edgecompress.errors import MethodError, ModelFileError
from edgecompress.numerics.codecs.bit_packing import pack_bits
from edgecompress.numerics.generated.vector_codebook import (
    VectorCodebook,
    product_quantization,
    residual_quantization,
    table_matmul,
)

UNIT = 2.0**-24  # half the distance from 1 to the next float32


def matrix_of(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def squared_error(matrix: np.ndarray, codebook: VectorCodebook) -> float:
    return float(np.square(matrix.astype(np.float64) - codebook.decode()).sum())


def drawn_codebook(seed: int, stages: int, spaces: int, words: int, length: int, rows: int) -> VectorCodebook:
    generator = np.random.default_rng(seed)
    books = generator.normal(size=(stages, spaces, words, length)).astype(np.float32)
    return VectorCodebook(books, generator.integers(0, words, (stages, spaces, rows)))


def test_decoding_worked_by_hand() -> None:
    books = np.array([[[[1, 2], [3, 4]], [[5, 6], [7, 8]]], [[[0.5, 0], [0, 0.5]], [[0, 0], [10, 10]]]], np.float32)
    indices = np.array([[[0, 1, 1], [1, 1, 0]], [[1, 0, 1], [0, 1, 0]]], np.uint8)
    expected = [[1, 2.5, 7, 8], [3.5, 4, 17, 18], [3, 4.5, 5, 6]]
    codebook = VectorCodebook(books, indices)
    assert codebook.decode().tolist() == expected
    # 16 float32 numbers and 12 indices of one bit
    assert codebook.size_bits == 16 * 32 + 12


sizes = st.integers(1, 5)


@given(st.integers(0, 2**32 - 1), sizes, sizes, sizes, sizes, sizes)
def test_stages_are_added_in_their_order(seed, stages, spaces, words, length, rows) -> None:
    codebook = drawn_codebook(seed, stages, spaces, words, length, rows)
    decoded = codebook.decode()
    assert decoded.dtype == np.float32
    for row, column in np.ndindex(rows, spaces * length):
        space, place = divmod(column, length)
        total = np.float32(0)
        for stage in range(stages):
            total = total + codebook.codebooks[stage, space, codebook.indices[stage, space, row], place]
        assert total == decoded[row, column]


@given(st.integers(0, 2**32 - 1), sizes, sizes, sizes, sizes, sizes)
def test_tables_give_the_product_with_the_matrix(seed, stages, spaces, words, length, rows) -> None:
    codebook = drawn_codebook(seed, stages, spaces, words, length, rows)
    inputs = matrix_of(4, spaces * length, seed)
    found, direct = table_matmul(inputs, codebook), inputs @ codebook.decode().T
    # either sum takes at most N = stages (columns + 1) roundings a term, in whatever order: off by N u / (1 - N u)
    # of the sum of absolute terms each, and N u < 2^-16 here
    roundings = stages * (spaces * length + 1)
    terms = np.abs(inputs).astype(np.float64) @ np.abs(codebook.decode_stages()).sum(0, dtype=np.float64).T
    assert (np.abs(found.astype(np.float64) - direct) <= 2 * 1.001 * roundings * UNIT * terms).all()


def test_as_many_spaces_as_columns_are_scalar_k_means_of_each() -> None:
    matrix = matrix_of(200, 3)
    codebook = product_quantization(matrix, spaces=3, words=8, seed=5)
    for column in range(3):
        fitted = KMeans(8, n_init=1, random_state=5).fit(matrix[:, [column]])
        expected = fitted.cluster_centers_[fitted.labels_].ravel()
        assert np.array_equal(codebook.decode()[:, column], expected)
        assert len(np.unique(codebook.decode()[:, column])) == 8


def test_plain_clusters_are_found() -> None:
    words = np.array([[0, 0], [100, 0], [0, 100]], np.float32)
    members = np.repeat(np.arange(3), 20)
    matrix = words[members] + np.tile([[-1, 0], [1, 0]], (30, 1)).astype(np.float32)
    decoded = product_quantization(matrix, spaces=1, words=3, seed=0).decode()
    # the means are whole numbers, found in float32 after centring: within a few units of numbers up to 128
    assert np.abs(decoded - words[members]).max() < 128 * 8 * UNIT


@pytest.mark.parametrize(("rows", "words"), [(7, 7), (7, 20), (1, 1)])
def test_enough_words_keep_the_matrix(rows: int, words: int) -> None:
    matrix = matrix_of(rows, 6)
    assert np.array_equal(product_quantization(matrix, spaces=2, words=words, seed=0).decode(), matrix)


@pytest.mark.filterwarnings("error")
def test_equal_rows_take_one_word() -> None:
    matrix = np.tile(matrix_of(2, 4), (10, 1))
    assert np.array_equal(product_quantization(matrix, spaces=2, words=5, seed=0).decode(), matrix)


def test_more_stages_are_never_worse() -> None:
    matrix = matrix_of(120, 10)
    errors = [
        squared_error(matrix, residual_quantization(matrix, stages=stages, words=8, seed=1)) for stages in (1, 2, 3, 4)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < np.square(matrix).sum()


def test_one_stage_is_plain_k_means_of_rows() -> None:
    matrix = matrix_of(50, 4)
    residual = residual_quantization(matrix, stages=1, words=4, seed=2)
    assert np.array_equal(residual.decode(), product_quantization(matrix, spaces=1, words=4, seed=2).decode())


@pytest.mark.parametrize("words", [2, 5, 16])
def test_the_rate_is_that_of_packed_bytes(words: int) -> None:
    codebook = product_quantization(matrix_of(64, 12), spaces=4, words=words, seed=0)
    bits = (words - 1).bit_length()
    packed = codebook.codebooks.tobytes() + pack_bits(codebook.indices, bits=bits)
    assert codebook.size_bits == 32 * words * 12 + 64 * 4 * bits == 8 * len(packed)


@pytest.mark.parametrize(("spaces", "words"), [(0, 2), (5, 2), (3, 0)])
def test_what_cannot_be_cut_is_refused(spaces: int, words: int) -> None:
    with pytest.raises(MethodError, match="10 x 6"):
        product_quantization(matrix_of(10, 6), spaces=spaces, words=words, seed=0)


def test_no_stage_is_refused() -> None:
    with pytest.raises(MethodError, match="one stage"):
        residual_quantization(matrix_of(10, 6), stages=0, words=2, seed=0)


@pytest.mark.parametrize(
    ("books", "indices"),
    [
        (np.zeros((1, 2, 3, 4), np.float32), np.full((1, 2, 5), 3)),
        (np.zeros((1, 2, 3, 4), np.float32), np.full((1, 2, 5), -1)),
        (np.zeros((1, 2, 3, 4), np.float32), np.zeros((1, 2, 5))),
        (np.zeros((1, 2, 3, 4), np.float32), np.zeros((2, 1, 5), int)),
        (np.zeros((1, 2, 3, 4)), np.zeros((1, 2, 5), int)),
        (np.zeros((1, 2, 0, 4), np.float32), np.zeros((1, 2, 0), int)),
        (np.zeros((1, 2, 3), np.float32), np.zeros((1, 2, 5), int)),
    ],
)
def test_a_damaged_codebook_is_refused(books: np.ndarray, indices: np.ndarray) -> None:
    with pytest.raises(ModelFileError, match="do not fit"):
        VectorCodebook(books, indices)
