"""Each quantizer's values and gradient against the formula in its docstring."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.environment import load_tensorflow
from edgecompress.layers import quantizers

POINTS = np.array([-3.0, -1.0, -0.999, -0.25, -0.0, 0.0, 1e-30, 0.5, 1.0, 1.001, 7.0], np.float32)
UPSTREAM = np.linspace(-2.0, 3.0, POINTS.size).astype(np.float32)
SIGNS = np.where(POINTS >= 0, 1.0, -1.0)
INSIDE = np.abs(POINTS) <= 1


def value_and_gradient(quantizer, x, upstream):
    tensorflow = load_tensorflow()
    x = tensorflow.constant(x)
    with tensorflow.GradientTape() as tape:
        tape.watch(x)
        y = quantizer(x)
    return y.numpy(), tape.gradient(y, x, output_gradients=tensorflow.constant(upstream)).numpy()


@pytest.mark.parametrize(
    ("quantizer", "slope"),
    [
        (quantizers.sign_ste, INSIDE),
        (quantizers.kernel_sign_ste, INSIDE),
        (quantizers.approximate_sign, np.where(INSIDE, 2 - 2 * np.abs(POINTS), 0)),
    ],
)
def test_a_sign_has_the_gradient_of_its_formula(quantizer, slope) -> None:
    values, gradient = value_and_gradient(quantizer, POINTS, UPSTREAM)
    np.testing.assert_array_equal(values, SIGNS)
    np.testing.assert_array_equal(gradient, UPSTREAM * slope.astype(np.float32))


def test_a_stochastic_sign_is_drawn_with_the_probability_of_its_formula() -> None:
    draws = 10000
    values, gradient = value_and_gradient(
        lambda w: quantizers.stochastic_sign(w, seed=0), np.tile(POINTS, (draws, 1)), np.tile(UPSTREAM, (draws, 1))
    )
    assert set(np.unique(values)) == {-1.0, 1.0}
    # The mean of draws of +-1 has a standard deviation of at most 1 / sqrt(draws); five of them are 0.05.
    np.testing.assert_allclose(values.mean(0), np.clip(POINTS, -1, 1), atol=5 / np.sqrt(draws))
    assert set(values[:, np.abs(POINTS) >= 1].mean(0)) == {-1.0, 1.0}
    np.testing.assert_array_equal(gradient[0], UPSTREAM * INSIDE)


@pytest.mark.parametrize(("shape", "filter_axes"), [((3, 3, 5, 4), 1), ((3, 2, 5, 2), 2), ((7, 3), 1)])
def test_a_scaled_sign_has_the_value_and_gradient_of_its_formula(shape, filter_axes) -> None:
    generator = np.random.default_rng(0)
    w = generator.normal(size=shape).astype(np.float32)
    upstream = generator.normal(size=shape).astype(np.float32)
    values, gradient = value_and_gradient(lambda x: quantizers.scaled_sign(x, filter_axes=filter_axes), w, upstream)
    axes = tuple(range(len(shape) - filter_axes))
    alpha = np.abs(w).mean(axes, dtype=np.float64).astype(np.float32)
    count = np.prod(shape[:-filter_axes])
    np.testing.assert_array_equal(values, np.where(w >= 0, alpha, -alpha))
    # Three float32 operations, each rounded to 2^-24 of its result: the sum is of positive terms, and cancels nothing.
    np.testing.assert_allclose(gradient, upstream * (1 / count + alpha * (np.abs(w) <= 1)), rtol=3 * 2.0**-24)


def test_the_scale_of_scaled_signs_is_the_scale_again() -> None:
    kernel = np.random.default_rng(1).normal(size=(3, 3, 300, 64)).astype(np.float32)
    once = quantizers.scaled_sign(load_tensorflow().constant(kernel))
    np.testing.assert_array_equal(quantizers.scaled_sign(once), once)
