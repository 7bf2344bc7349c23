from __future__ import annotations

import numpy as np
import pytest

from edgecompress.packing.choosing.array import Array, coded_bytes, smallest
from edgecompress.packing.choosing.channel_codebook import find_channel_codebook
from edgecompress.packing.codings import ScaledCodebook
from edgecompress.packing.codings.float_product import multiply

RANDOM = np.random.default_rng(0)


def folded(channels: int, inner: int, shared: np.ndarray) -> np.ndarray:
    """Shared values with a batch norm folded in: `float32(w * float32(gamma / sigma))` for each channel."""
    scales = (RANDOM.normal(size=channels) / RANDOM.uniform(0.1, 2, channels)).astype(np.float32)
    return shared[RANDOM.integers(0, len(shared), (channels, inner))] * scales[:, None]


@pytest.mark.parametrize("values", [2, 16, 40])
def test_folded_shared_values_are_found_bit_by_bit(values: int) -> None:
    matrix = folded(30, 200, RANDOM.normal(size=values).astype(np.float32))
    found = find_channel_codebook(matrix)
    assert found is not None and len(found.values) == values
    products = multiply(found.values, found.scales[:, None])
    table = (products.view(np.int32) + found.steps).view(np.float32)
    assert np.array_equal(table[np.arange(30)[:, None], found.indices], matrix)
    assert np.abs(found.steps).max() <= 3  # three roundings stand between two ways to the same product


def test_zeros_keep_the_sign_that_a_negative_channel_gave_them() -> None:
    matrix = folded(20, 100, np.append(np.zeros(3), RANDOM.normal(size=8)).astype(np.float32))
    assert (np.signbit(matrix) & (matrix == 0)).any()
    found = find_channel_codebook(matrix)
    assert found is not None
    products = multiply(found.values, found.scales[:, None])
    table = (products.view(np.int32) + found.steps).view(np.float32)
    assert np.array_equal(table[np.arange(20)[:, None], found.indices].view(np.int32), matrix.view(np.int32))


def test_values_that_one_channel_alone_has_are_added() -> None:
    shared = np.array([1.0, 1.25, -3.0], np.float32)
    matrix = np.stack([shared[RANDOM.integers(0, 3, 50)] for _ in range(4)])
    matrix[2, :5] = 2.0
    found = find_channel_codebook(matrix)
    assert found is not None and len(found.values) == 4


@pytest.mark.parametrize("matrix", [RANDOM.normal(size=(8, 64)), np.full((2, 8), np.inf), np.ones((5, 1))])
def test_what_is_no_such_matrix_is_left(matrix: np.ndarray) -> None:
    assert find_channel_codebook(matrix.astype(np.float32)) is None


def test_sixteen_values_take_about_four_bits_in_either_order_of_axes() -> None:
    matrix = folded(64, 256, RANDOM.normal(size=16).astype(np.float32))
    for array in (matrix, np.ascontiguousarray(matrix.T)):
        data = np.frombuffer(array.tobytes(), np.uint8)
        coding = smallest(Array(data, 4, True, channels=len(array)))
        assert isinstance(coding, ScaledCodebook)
        assert coding.decode(len(data)).tobytes() == array.tobytes()
        # 4 bits a weight; a scale, and a step of at most 2 bits for each of 16 values, a channel; 2 % for the coder
        assert coded_bytes(coding) < 1.02 * (matrix.size / 2 + 64 * (4 + 4)) + 200
