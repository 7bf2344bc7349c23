"""Shared values: an array as a short list of values and an index an element, made by k-means in one dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Start = Literal["linear", "density", "random", "kmeans_plus_plus"]
ITERATIONS = 300  # Lloyd's steps at most


@dataclass(frozen=True, eq=False)
class Codebook:
    """An array of few distinct values: index 0 is an exact zero, index j is `values[j - 1]`."""

    values: np.ndarray  # float32 [k], each of which has members
    indices: np.ndarray  # int32, in the shape of the array

    @classmethod
    def of(cls, array: np.ndarray) -> Codebook:
        """Return the codebook of an array that has few distinct values as it is."""
        values = np.unique(array[array != 0]).astype(np.float32)
        return cls(values, np.where(array != 0, np.searchsorted(values, array) + 1, 0).astype(np.int32))

    def decode(self) -> np.ndarray:
        """Return the array."""
        return np.concatenate([np.zeros(1, np.float32), self.values])[self.indices]


def share(
    weights: np.ndarray, clusters: int, *, start: Start = "linear", seed: int = 0, zeros: bool = True
) -> Codebook:
    """Return `weights` as at most `clusters` shared values: the means of k-means clusters.

    Where `zeros` is true, elements that are exactly zero stay so and belong to no cluster. A cluster that lost all
    its members has no value.
    """
    taken = weights != 0 if zeros else np.ones(weights.shape, bool)
    members = weights[taken]
    if not members.size:
        return Codebook(np.zeros(0, np.float32), np.zeros(weights.shape, np.int32))
    centroids = lloyd(members, initial_centroids(members, clusters, start=start, seed=seed))
    used, positions = np.unique(nearest(members, centroids), return_inverse=True)
    indices = np.zeros(weights.shape, np.int32)
    indices[taken] = positions + 1
    return Codebook(centroids[used].astype(np.float32), indices)


def initial_centroids(weights: np.ndarray, clusters: int, *, start: Start, seed: int = 0) -> np.ndarray:
    """Return where k-means begins, in ascending order.

    "linear" divides [min, max] evenly, so that the few large weights have centroids near them; "density" takes the
    weights at even steps of their cumulative distribution; "random" draws weights. Han et al., Deep Compression,
    arXiv:1510.00149, section 3.2. "kmeans_plus_plus" draws one weight, and each following one with a probability that
    is proportional to the square of its distance from the nearest so far; Arthur and Vassilvitskii, k-means++, 2007.
    """
    values = np.asarray(weights, np.float64).ravel()
    if start == "kmeans_plus_plus":
        return _far_apart(values, clusters, np.random.default_rng(seed))
    if start == "linear":
        return np.linspace(values.min(), values.max(), clusters)
    if start == "density":
        return np.quantile(values, (np.arange(clusters) + 0.5) / clusters)
    return np.sort(np.random.default_rng(seed).choice(values, clusters, replace=values.size < clusters))


def lloyd(weights: np.ndarray, centroids: np.ndarray, *, iterations: int = ITERATIONS) -> np.ndarray:
    """Return the centroids, ascending, after Lloyd's steps: `c_j <- mean {w : j = argmin_i |w - c_i|}`.

    In one dimension a cluster is a run of the sorted weights. Its ends are found by bisection and its mean comes from
    prefix sums, so that a step costs k log n; a centroid without members stays where it is.
    """
    values = np.sort(np.asarray(weights, np.float64), axis=None)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    for _ in range(iterations):
        ends = np.concatenate([[0], np.searchsorted(values, _midpoints(centroids)), [values.size]])
        counts = np.diff(ends)
        means = np.where(counts > 0, np.diff(sums[ends]) / np.maximum(counts, 1), centroids)
        if np.array_equal(means, centroids):
            break
        centroids = means
    return centroids


def nearest(weights: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Return the index of the nearest of the ascending `centroids` for each weight; the lower one of two."""
    return np.searchsorted(_midpoints(centroids), weights)


def _far_apart(values: np.ndarray, clusters: int, random: np.random.Generator) -> np.ndarray:
    drawn = [values[random.integers(values.size)]]
    squares = (values - drawn[0]) ** 2
    while len(drawn) < clusters:
        ends = np.cumsum(squares)
        at = np.searchsorted(ends, random.uniform(0, ends[-1]), side="right")
        at = min(at, values.size - 1)  # the last one again, where all of them are drawn already
        drawn.append(values[at])
        squares = np.minimum(squares, (values - drawn[-1]) ** 2)
    return np.sort(drawn)


def _midpoints(centroids: np.ndarray) -> np.ndarray:
    return (centroids[1:] + centroids[:-1]) / 2
