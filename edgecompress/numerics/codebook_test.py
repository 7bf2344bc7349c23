"""K-means in one dimension, by hand and by its properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from edgecompress.numerics.codebook import initial_centroids, lloyd, nearest, share

STARTS = ["linear", "density", "random", "kmeans_plus_plus"]
WEIGHTS = np.random.default_rng(0).normal(size=(40, 50)).astype(np.float32)


def spread(weights, centroids) -> float:
    return float(np.sum((weights - centroids[nearest(weights, centroids)]) ** 2))


def test_by_hand() -> None:
    # Linear start 1, 5, 9 with borders 3 and 7: {1, 2}, {4, 6}, {9}; the means 1.5, 5, 9 keep the borders' members.
    book = share(np.array([[1.0, 0.0, 2.0], [4.0, 6.0, 9.0]], np.float32), 3)
    np.testing.assert_array_equal(book.values, [1.5, 5.0, 9.0])
    np.testing.assert_array_equal(book.indices, [[1, 0, 1], [2, 2, 3]])
    np.testing.assert_array_equal(book.decode(), [[1.5, 0.0, 1.5], [5.0, 5.0, 9.0]])


def test_starts_by_hand() -> None:
    weights = np.array([0.0, 1.0, 2.0, 3.0, 10.0])
    np.testing.assert_array_equal(initial_centroids(weights, 3, start="linear"), [0.0, 5.0, 10.0])
    np.testing.assert_array_equal(initial_centroids(weights, 2, start="density"), [1.0, 3.0])
    drawn = initial_centroids(weights, 3, start="random", seed=1)
    assert set(drawn) <= set(weights) and list(drawn) == sorted(drawn)
    np.testing.assert_array_equal(drawn, initial_centroids(weights, 3, start="random", seed=1))


def test_kmeans_plus_plus_draws_by_squared_distances() -> None:
    weights = np.array([0.0, 1.0, 4.0])
    pairs = [tuple(initial_centroids(weights, 2, start="kmeans_plus_plus", seed=seed)) for seed in range(3000)]
    # Of the first weight 0, 1, 4 the others have squared distances (1, 16), (1, 9), (16, 9).
    shares = {(0.0, 1.0): (1 / 17 + 1 / 10) / 3, (0.0, 4.0): (16 / 17 + 16 / 25) / 3, (1.0, 4.0): (9 / 10 + 9 / 25) / 3}
    for pair, share_of_pair in shares.items():
        # Four standard deviations of a binomial share.
        assert abs(pairs.count(pair) / 3000 - share_of_pair) < 4 * (share_of_pair * (1 - share_of_pair) / 3000) ** 0.5
    assert sum(map(pairs.count, shares)) == 3000  # a weight is not drawn again
    np.testing.assert_array_equal(initial_centroids(np.ones(3), 2, start="kmeans_plus_plus"), [1.0, 1.0])


@pytest.mark.parametrize("start", STARTS)
def test_no_step_makes_it_worse(start) -> None:
    centroids = initial_centroids(WEIGHTS, 16, start=start)
    objective = spread(WEIGHTS, centroids)
    for _ in range(30):
        centroids = lloyd(WEIGHTS, centroids, iterations=1)
        # Sums of 2,000 squares in float64: rounding moves them by less than 2,000 times 2^-53 of their value.
        following = spread(WEIGHTS, centroids)
        assert following <= objective * (1 + 2000 * 2.0**-53)
        objective = following


@pytest.mark.parametrize("start", STARTS)
def test_it_ends_where_scikit_learn_does(start) -> None:
    begin = initial_centroids(WEIGHTS, 8, start=start)
    theirs = KMeans(8, init=begin[:, None], n_init=1, max_iter=1000, tol=0).fit(WEIGHTS.reshape(-1, 1).astype(float))
    ours = lloyd(WEIGHTS, begin, iterations=1000)
    # Both are means of the same members, at most 2,000 of them, in float64 and below 4.
    np.testing.assert_allclose(ours, np.sort(theirs.cluster_centers_.ravel()), atol=4 * 2000 * 2.0**-53)


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=60), st.integers(1, 9), st.sampled_from(STARTS))
def test_zeros_stay_and_values_are_few(weights, clusters: int, start) -> None:
    array = np.array(weights, np.float32)
    book = share(array, clusters, start=start)
    np.testing.assert_array_equal(book.indices == 0, array == 0)
    assert len(book.values) <= clusters
    assert set(book.indices[book.indices > 0]) == set(range(1, len(book.values) + 1))


def test_zeros_are_weights_like_others_on_request() -> None:
    book = share(np.array([0.0, 0.0, 4.0], np.float32), 2, zeros=False)
    np.testing.assert_array_equal(book.values, [0.0, 4.0])
    np.testing.assert_array_equal(book.indices, [1, 1, 2])


def test_an_array_of_zeros_has_no_values() -> None:
    book = share(np.zeros((2, 3), np.float32), 4)
    assert book.values.size == 0
    np.testing.assert_array_equal(book.decode(), np.zeros((2, 3)))
