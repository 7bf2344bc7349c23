from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.errors import MethodError
from edgecompress.numerics.error_correction import RIDGE, quantize_with_correction, response_error
from edgecompress.numerics.generated.vector_codebook import product_quantization


def layer_of(samples: int, inputs: int, outputs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, inputs that depend on each other as real ones do, and inputs with the error of earlier layers."""
    generator = np.random.default_rng(seed)
    weights = generator.normal(size=(inputs, outputs))
    received = np.maximum(generator.normal(size=(samples, inputs)) @ generator.normal(size=(inputs, inputs)), 0)
    disturbed = 0.9 * received + 0.2 * generator.normal(size=received.shape)
    return weights.astype(np.float32), received.astype(np.float32), disturbed.astype(np.float32)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.sampled_from([1, 2, 4]), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_never_worse_than_plain_quantization(seed: int, samples: int, spaces: int, words: int) -> None:
    layer = layer_of(samples, 8, 10, seed)
    corrected = quantize_with_correction(*layer, spaces=spaces, words=words, seed=0, sweeps=2)
    plain = product_quantization(layer[0].T, spaces=spaces, words=words, seed=0)
    assert response_error(layer[0], corrected, *layer[1:]) <= response_error(layer[0], plain, *layer[1:])


def test_much_better_where_inputs_depend_on_each_other_and_better_with_sweeps() -> None:
    layer = layer_of(300, 16, 40)
    errors = [
        response_error(layer[0], quantize_with_correction(*layer, spaces=4, words=8, seed=0, sweeps=sweeps), *layer[1:])
        for sweeps in (0, 1, 4)
    ]
    assert errors[2] < errors[1] < 0.7 * errors[0]


def test_one_word_is_the_answer_to_the_ridge_regression() -> None:
    weights, inputs, disturbed = layer_of(50, 3, 5)
    codebook = quantize_with_correction(weights, inputs, disturbed, spaces=1, words=1, seed=0, sweeps=1)
    exact, wanted = disturbed.astype(np.float64), weights.astype(np.float64).mean(axis=1)
    ridge = RIDGE * np.square(exact).sum() / 3
    # Rows that ask for the weights themselves, each weighing sqrt(r).
    rows = np.concatenate([exact, np.sqrt(ridge) * np.eye(3)])
    expected = np.linalg.lstsq(rows, np.concatenate([inputs.astype(np.float64) @ wanted, np.sqrt(ridge) * wanted]))[0]
    # float64 answers of a well-conditioned system of three unknowns, one rounded to float32
    assert np.allclose(codebook.codebooks[0, 0, 0], expected, rtol=1e-6, atol=1e-7)


def test_the_scale_of_the_received_inputs_is_corrected() -> None:
    weights = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    inputs = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], np.float32)
    codebook = quantize_with_correction(weights, inputs, inputs / 2, spaces=1, words=2, seed=0, sweeps=1)
    # (G + r) W^ = 2 G W + r W, so that W^ = 2 W - r (G + r)^-1 W, where G has the eigenvalues 1/4 and 3/4.
    gram = inputs.T @ inputs / 4
    ridge = RIDGE / 2
    expected = 2 * weights - ridge * np.linalg.solve(gram + ridge * np.eye(2), weights)
    assert np.allclose(codebook.decode().T, expected, rtol=16 * 2.0**-24)
    assert np.abs(codebook.decode().T - 2 * weights).max() <= ridge / (1 / 4 + ridge) * np.linalg.norm(weights)


def test_inputs_that_are_always_zero_leave_the_words_alone() -> None:
    weights, inputs, _ = layer_of(50, 8, 6)
    inputs[:, 2:4] = 0
    plain = product_quantization(weights.T, spaces=4, words=3, seed=0)
    corrected = quantize_with_correction(weights, inputs, inputs, spaces=4, words=3, seed=0, sweeps=2)
    # The means of the same members, once of float32 and once of float64 numbers of at most 4.
    assert np.allclose(corrected.codebooks[0, 1], plain.codebooks[0, 1], rtol=0, atol=16 * 4 * 2.0**-24)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-4, 1e-2]))
@settings(max_examples=20, deadline=None)
def test_words_stay_near_the_weights_where_inputs_are_nearly_constant(seed: int, spread: float) -> None:
    """The background of an image is like this: half of the inputs are -1, up to a little."""
    weights, inputs, disturbed = layer_of(60, 16, 24, seed)
    generator = np.random.default_rng(seed)
    for each in (inputs, disturbed):
        each /= np.abs(each).max()
        each[:, :8] = -1 + spread * generator.normal(size=(60, 8))
    corrected = quantize_with_correction(weights, inputs, disturbed, spaces=4, words=4, seed=0, sweeps=3)
    plain = product_quantization(weights.T, spaces=4, words=4, seed=0)
    errors = [response_error(weights, book, inputs, disturbed) for book in (plain, corrected)]
    assert errors[1] <= errors[0]
    distances = [np.square(weights - book.decode().T, dtype=np.float64).sum() for book in (plain, corrected)]
    ridge = RIDGE * np.square(disturbed, dtype=np.float64).mean(axis=1).sum()
    # Neither sum of the two errors is above that of plain quantization; words are rounded to float32 after that.
    assert distances[1] <= (distances[0] + errors[0] / ridge) * (1 + 2.0**-20)


@pytest.mark.parametrize("shapes", [((4, 3), (5, 4), (6, 4)), ((4, 3), (5, 3), (5, 3))])
def test_shapes_that_do_not_fit_are_refused(shapes: tuple) -> None:
    with pytest.raises(MethodError, match="do not fit"):
        quantize_with_correction(*(np.ones(shape, np.float32) for shape in shapes), spaces=1, words=1, seed=0, sweeps=1)
