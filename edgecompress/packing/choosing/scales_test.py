from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from edgecompress.packing.choosing.scales import find_scales
from edgecompress.packing.codings.float_product import multiply, step


def made_again(scales: np.ndarray, integers: np.ndarray, steps: np.ndarray) -> bytes:
    products = multiply(integers.astype(np.float32), scales[:, None])
    return step(products.ravel(), steps.ravel().view(np.uint8)).tobytes()


@pytest.mark.parametrize("most", [1, 7, 127])
def test_integers_are_as_small_as_they_can_be(most: int) -> None:
    random = np.random.default_rng(0)
    integers = random.integers(-most, most + 1, (5, 40))
    integers[:, 0], integers[:, 1] = most, 1
    scales = random.random(5).astype(np.float32)
    matrix = integers.astype(np.float32) * scales[:, None]
    found = find_scales(matrix)
    assert found is not None
    assert (found[1] == integers).all()
    assert made_again(*found) == matrix.tobytes()
    assert not found[2].any()


def test_multiples_of_two_are_halved() -> None:
    matrix = np.array([[2, -4, 6, 0], [0, 0, 0, 0]], np.float32) * np.float32(0.3)
    found = find_scales(matrix)
    assert found is not None and found[1].tolist() == [[1, -2, 3, 0], [0, 0, 0, 0]]
    assert made_again(*found) == matrix.tobytes()


def test_another_order_of_rounding_is_steps() -> None:
    random = np.random.default_rng(0)
    integers = random.integers(-127, 128, (8, 64)).astype(np.float32)
    integers[:, 0] = 127
    gamma, scale = random.random((8, 1)).astype(np.float32), random.random((8, 1)).astype(np.float32)
    matrix = integers * scale * gamma  # rounded twice
    found = find_scales(matrix)
    assert found is not None and np.abs(found[2]).max() <= 4
    assert made_again(*found) == matrix.tobytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.0, 0.1373713])
def test_what_is_no_multiple_is_not_taken_for_one(value: float) -> None:
    matrix = np.ones((3, 16), np.float32)
    matrix[2, 3] = value
    assert find_scales(matrix) is None


def test_random_floats_are_not_searched_for_long() -> None:
    """A row of many floats needs memory in proportion to the row, not 127 times as much."""
    matrix = np.random.default_rng(0).normal(size=(2, 1 << 16)).astype(np.float32)
    tracemalloc.start()
    try:
        assert find_scales(matrix) is None
        assert tracemalloc.get_traced_memory()[1] < 20 * matrix.nbytes
    finally:
        tracemalloc.stop()
