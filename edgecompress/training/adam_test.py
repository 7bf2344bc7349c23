"""Adam's steps are Keras's, and the paper's by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.training.adam import Adam

ULP = 2.0**-24


def variable(values: np.ndarray, **options: Any) -> Any:
    return load_keras().Variable(values.astype(np.float32), **options)


def test_its_steps_are_those_of_keras() -> None:
    keras, tensorflow, generator = load_keras(), load_tensorflow(), np.random.default_rng(0)
    start, steps, rate = generator.normal(size=(7, 5)), 12, 0.01
    ours, theirs = variable(start), variable(start)
    adam, optimizer = Adam([ours], [1.0]), keras.optimizers.Adam(rate)
    # Of one sign, so that no moment is a small difference of large ones.
    gradients = generator.uniform(0.1, 2.0, size=(steps, *start.shape)).astype(np.float32)
    step = tensorflow.function(lambda gradient: adam.apply([gradient], learning_rate=tensorflow.constant(rate)))
    for gradient in gradients:
        step(gradient)
        optimizer.apply([tensorflow.constant(gradient)], [theirs])
    # A step rounds each moment three times and more, of which the weight's step has all so far; then the weight once.
    allowed = steps * (8 * steps * rate + np.abs(start).max()) * ULP
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=0, atol=allowed)


def test_the_first_step_is_the_rate_of_the_variable() -> None:
    # By hand: m = 0.1 g, v = 0.001 g^2, and rate sqrt(0.001) / 0.1 m / sqrt(v) is the rate, signed.
    one, two, still = (variable(np.array([1.0, -1.0])) for _ in range(3))
    adam = Adam([one, two, still], [1.0, 0.25, 1.0])
    gradients = [load_tensorflow().constant([3.0, -0.5])] * 2 + [None]
    adam.apply(gradients, learning_rate=load_tensorflow().constant(0.5))
    # 1 - 0.999 is off by 2^-24 / 0.001 in float32, of which a square root has half; eps is 1e-5 of the least sqrt(v).
    np.testing.assert_allclose(one.numpy(), [0.5, -0.5], rtol=1e-4)
    np.testing.assert_allclose(two.numpy(), [0.875, -0.875], rtol=1e-4)
    np.testing.assert_array_equal(still.numpy(), [1.0, -1.0])


def test_constraints_hold_after_a_step() -> None:
    keras, tensorflow = load_keras(), load_tensorflow()
    layer = keras.layers.Dense(2, use_bias=False, kernel_constraint=keras.constraints.NonNeg())
    layer.build((None, 2))
    layer.kernel.assign(np.full((2, 2), 0.1))
    adam = Adam([layer.kernel], [1.0])
    adam.apply([tensorflow.constant([[1.0, -1.0], [1.0, -1.0]])], learning_rate=tensorflow.constant(0.5))
    np.testing.assert_allclose(layer.kernel.numpy(), [[0.0, 0.6], [0.0, 0.6]], rtol=1e-4)


def test_variables_of_other_precisions_are_moved_in_theirs() -> None:
    tensorflow = load_tensorflow()
    moved = load_keras().Variable(np.ones(2), dtype="float64")
    Adam([moved], [1.0]).apply([tensorflow.constant([3.0, -3.0], "float64")], learning_rate=tensorflow.constant(0.5))
    np.testing.assert_allclose(moved.numpy(), [0.5, 1.5], rtol=1e-4)  # float32's 1 - 0.999, as above


@pytest.mark.parametrize("steps", [1, 3])
def test_a_gradient_in_slices_is_that_of_the_whole(steps: int) -> None:
    tensorflow = load_tensorflow()
    whole, sliced = (variable(np.ones((4, 2))) for _ in range(2))
    both = Adam([whole, sliced], [1.0, 1.0])
    slices = tensorflow.IndexedSlices(
        tensorflow.constant([[1.0, 2.0], [3.0, 4.0]]), tensorflow.constant([2, 0]), [4, 2]
    )
    for _ in range(steps):
        both.apply([tensorflow.convert_to_tensor(slices), slices], learning_rate=tensorflow.constant(0.1))
    np.testing.assert_array_equal(whole.numpy(), sliced.numpy())
    np.testing.assert_array_equal(whole.numpy()[[1, 3]], 1.0)
