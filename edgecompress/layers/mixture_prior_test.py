"""The loss of the mixture prior is its formula, with gradients to weights and mixture, each at its own rate."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.layers.mixture_prior import MixturePrior
from edgecompress.numerics.mixture import Mixture, assign

tensorflow, keras = load_tensorflow(), load_keras()

START = Mixture(np.log([0.9, 0.04, 0.06]), np.array([0.0, -0.5, 0.5]), np.array([0.1, 0.2, 0.3]))
WEIGHTS = np.random.default_rng(0).normal(size=50).astype(np.float32)


def prior_of(*weights, **options) -> MixturePrior:
    figures = {"tau": 0.5}
    gammas = {"zero_prior": (3.0, 2.0), "prior": (5.0, 0.1)}
    return MixturePrior(weights, START, name="prior", **{**figures, **gammas, **options})


def test_the_loss_is_the_formula() -> None:
    layer = prior_of(tensorflow.Variable(WEIGHTS[:20]), tensorflow.Variable(WEIGHTS[20:].reshape(5, 6)))
    np.testing.assert_array_equal(layer(np.ones((1, 2))), np.ones((1, 2)))
    likelihood = np.log(np.exp(START.log_densities(WEIGHTS.astype(np.float64))).sum(axis=1)).sum()
    gammas = START.deviations**-2.0
    priors = sum((a - 1) * math.log(g) - b * g for (a, b), g in zip([(3, 2), (5, 0.1), (5, 0.1)], gammas, strict=True))
    # Squares up to 3 / 0.1 squared are differences of float32: 50 sums of a few roundings each.
    assert float(layer.losses[0]) == pytest.approx(0.5 / 50 * (-likelihood - priors), rel=100 * 2.0**-24)


def test_the_weights_nearest_to_their_means_settle_there() -> None:
    weights = [tensorflow.Variable(WEIGHTS[:20]), tensorflow.Variable(WEIGHTS[20:].reshape(5, 6))]
    layer = prior_of(*weights)
    assigned = assign(WEIGHTS, layer.mixture()).decode()
    order = np.argsort(np.abs(WEIGHTS - assigned))
    for share in (0.0, 0.3, 1.0):
        layer.settle(share)
        settled = order[: round(share * WEIGHTS.size)]
        expected = WEIGHTS.copy()
        expected[settled] = assigned[settled]
        # A mean is a product of two float32 numbers in the layer, and one of float64 numbers here.
        found = np.concatenate([weight.numpy().ravel() for weight in weights])
        np.testing.assert_allclose(found, expected, rtol=4 * 2.0**-24)


def test_the_mixture_is_the_one_it_started_from() -> None:
    found = prior_of(tensorflow.Variable(WEIGHTS)).mixture()
    for name in ("log_shares", "means", "deviations"):
        np.testing.assert_allclose(getattr(found, name), getattr(START, name), rtol=32 * 2.0**-24)


def test_weights_are_drawn_to_the_means_and_stay_their_layer_s_own() -> None:
    weights = tensorflow.Variable([0.4])
    layer = prior_of(weights)
    with tensorflow.GradientTape() as tape:
        layer(np.ones((1, 2)))
        loss = layer.losses[0]
    assert tape.gradient(loss, weights)[0] < 0  # the component at 0.5 is likelier than the narrow zero
    assert len(layer.trainable_weights) == 3 and all(weight is not weights for weight in layer.weights)
