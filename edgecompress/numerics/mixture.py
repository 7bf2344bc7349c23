"""Mixtures of normal distributions over weights: merging components, and the values that weights then share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecompress.numerics.codebook import Codebook

CHUNK = 1 << 16  # weights that are assigned at once


@dataclass(frozen=True, eq=False)
class Mixture:
    """`p(w) = sum_j pi_j N(w | mu_j, sigma_j^2)`; component 0 is that of the zeros, with mean 0."""

    log_shares: np.ndarray  # ln pi_j
    means: np.ndarray
    deviations: np.ndarray

    def log_densities(self, weights: np.ndarray) -> np.ndarray:
        """Return `ln(pi_j N(w_i | mu_j, sigma_j^2))` for each weight and component."""
        distances = (weights[:, None] - self.means) / self.deviations
        return self.log_shares - np.log(self.deviations) - 0.5 * np.log(2 * np.pi) - 0.5 * distances**2

    def merged(self, threshold: float) -> Mixture:
        """Return the mixture in which no two components but the zeros' have a mutual divergence below `threshold`.

        Two components become one with their common weight, mean and variance.
        """
        merged = self
        while True:
            pairs = [
                (merged.divergence(i, j), i, j)
                for i in range(1, len(merged.means))
                for j in range(i + 1, len(merged.means))
            ]
            if not pairs or min(pairs)[0] >= threshold:
                return merged
            _, i, j = min(pairs)
            merged = merged._with_one_of(i, j)

    def divergence(self, i: int, j: int) -> float:
        """Return the symmetric Kullback-Leibler divergence `KL(i||j) + KL(j||i)` of two components."""
        a, b = self.deviations[i] ** 2, self.deviations[j] ** 2
        return float(0.5 * (a / b + b / a - 2 + (self.means[i] - self.means[j]) ** 2 * (1 / a + 1 / b)))

    def _with_one_of(self, i: int, j: int) -> Mixture:
        shares = np.exp(self.log_shares[[i, j]] - np.logaddexp(*self.log_shares[[i, j]]))
        mean = shares @ self.means[[i, j]]
        variance = shares @ (self.deviations[[i, j]] ** 2 + (self.means[[i, j]] - mean) ** 2)

        def replaced(values: np.ndarray, value: float) -> np.ndarray:
            return np.append(np.delete(values, [i, j]), value)

        return Mixture(
            replaced(self.log_shares, np.logaddexp(*self.log_shares[[i, j]])),
            replaced(self.means, mean),
            replaced(self.deviations, np.sqrt(variance)),
        )


def assign(weights: np.ndarray, mixture: Mixture) -> Codebook:
    """Return `weights` as the means of the components most responsible for them, the zeros' as exact zeros.

    `w_i <- mu_j`, `j = argmax_j pi_j N(w_i | mu_j, sigma_j^2)`.
    """
    flat = np.asarray(weights, np.float64).ravel()
    components = np.concatenate(
        [
            mixture.log_densities(flat[start : start + CHUNK]).argmax(axis=1)
            for start in range(0, max(flat.size, 1), CHUNK)
        ]
    )
    used, positions = np.unique(np.append(0, components), return_inverse=True)  # 0 stays first, members or not
    return Codebook(mixture.means[used[1:]].astype(np.float32), positions[1:].astype(np.int32).reshape(weights.shape))
