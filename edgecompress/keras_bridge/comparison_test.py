"""Rounding passes, and nothing else: bounds on arrays worked by hand, and faults of the sizes that were seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.keras_bridge.comparison import ROUNDING, SAFETY, Spec, compare, distances, draws

IMAGE = Spec((None, 8, 8, 3), "float32")


class Variable:
    """What both Keras have in common of a weight."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return self.array

    def assign(self, array: np.ndarray) -> None:
        self.array = array


def test_the_bound_of_two_samples() -> None:
    expected = np.array([[1.0, -4.0], [0.5, 0.25]], np.float32)
    moved = expected + np.array([[0.0, 0.125], [0.0, 0.0]], np.float32)
    found = expected + np.array([[0.5, 0.0], [0.0, -0.25]], np.float32)
    difference, bound, scale = distances(expected, moved, found, samples=2)
    assert difference.tolist() == [0.5, 0.25] and scale.tolist() == [4.0, 0.5]
    # The second sample did not move; the median of 1/32 and 0 is 1/64 of its scale.
    assert bound.tolist() == [SAFETY * (0.125 + ROUNDING * 4), SAFETY * (0.5 / 64 + ROUNDING * 0.5)]


def test_what_is_not_finite_has_to_be_the_same() -> None:
    expected = np.array([[np.nan, np.inf, 1.0]], np.float32)
    assert distances(expected, expected, expected, samples=1)[0].tolist() == [0.0]
    for wrong in ([0.0, np.inf, 1.0], [np.nan, -np.inf, 1.0], [np.nan, np.inf, np.nan]):
        assert distances(expected, expected, np.array([wrong], np.float32), samples=1)[0].tolist() == [np.inf]


def test_integers_are_equal_or_undecided() -> None:
    expected, other = np.array([[3, 7]]), np.array([[3, 8]])
    difference, bound, _ = distances(expected, expected, other, samples=1)
    assert difference.tolist() == [1.0] and bound.tolist() == [0.0]
    assert distances(expected, other, other, samples=1)[1].tolist() == [SAFETY]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), terms=st.integers(1, 2000), scale=st.sampled_from([1e-6, 1.0, 1e6]))
def test_a_sum_in_another_order_passes(seed: int, terms: int, scale: float) -> None:
    kernel = np.random.default_rng(seed).normal(size=(terms, 5)).astype(np.float32) * np.float32(scale)
    weight = Variable(kernel)
    order = np.random.default_rng(seed).permutation(terms)

    def product(inputs: list[np.ndarray]) -> list[tuple[str, np.ndarray]]:
        return [("sum", inputs[0] @ weight.array)]

    def reordered(inputs: list[np.ndarray]) -> list[tuple[str, np.ndarray]]:
        return [("sum", inputs[0][:, order] @ kernel[order])]

    assert compare(product, reordered, [Spec((None, terms), "float32")], variables=[weight]) == []
    assert weight.array is kernel


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(
    "fault",
    [
        lambda x: np.tanh(x.astype(np.float16)).astype(np.float32),
        lambda x: np.tanh(x) * (1 + 2.0**-12),
        lambda x: np.where(x == x.max(), np.nan, np.tanh(x)),
        lambda x: np.tanh(np.roll(x, 1, -1)),
    ],
)
def test_a_fault_is_seen_at_any_scale(fault, scale: float) -> None:
    right = compare(
        lambda x: [("a", scale * np.tanh(x[0]))], lambda x: [("a", scale * np.tanh(x[0]))], [IMAGE], variables=[]
    )
    wrong = compare(
        lambda x: [("a", scale * np.tanh(x[0]))], lambda x: [("a", scale * fault(x[0]))], [IMAGE], variables=[]
    )
    assert not right and [each.name for each in wrong] == ["a"]


def test_the_first_tensor_that_parts_comes_first() -> None:
    def net(first: float):
        return lambda inputs: [("a", inputs[0]), ("b", inputs[0] * first), ("c", inputs[0] * first + 1)]

    parted = compare(net(1.0), net(1.001), [IMAGE], variables=[])
    assert [each.name for each in parted] == ["b", "c"]
    assert parted[0].difference > parted[0].bound > 0


def test_what_rounding_alone_moves_is_not_compared() -> None:
    def chaos(inputs: list[np.ndarray]) -> list[tuple[str, np.ndarray]]:
        return [("a", np.sin(1e9 * inputs[0].astype(np.float64)))]

    (parted,) = compare(chaos, chaos, [IMAGE], variables=[])
    assert parted.name == "a" and np.isnan(parted.difference)


def test_noise_has_both_signs_large_values_and_whole_numbers() -> None:
    ((image, ids),) = draws([IMAGE, Spec((None, 5), "int32", 7)])
    assert len(image) == len(ids) and image.dtype == np.float32 and ids.dtype == np.int32
    assert image.min() < -2 and image.max() > 200
    assert set(ids.ravel()) == set(range(7))
    fixed = list(draws([Spec((2, 8, 8, 3), "float32")]))
    assert len(fixed) > 1 and {array.shape for (array,) in fixed} == {(2, 8, 8, 3)}
    assert all(np.array_equal(a, b) for (a,), (b,) in zip(fixed, draws([Spec((2, 8, 8, 3), "float32")]), strict=True))
