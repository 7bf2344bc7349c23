from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.errors import MethodError
from edgecompress.numerics.error_correction import quantize_with_correction, response_error
from edgecompress.numerics.vector_codebook import product_quantization


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


def test_one_word_is_the_least_squares_answer() -> None:
    weights, inputs, disturbed = layer_of(50, 3, 5)
    codebook = quantize_with_correction(weights, inputs, disturbed, spaces=1, words=1, seed=0, sweeps=1)
    exact = disturbed.astype(np.float64)
    expected = np.linalg.lstsq(exact, (inputs.astype(np.float64) @ weights).mean(axis=1))[0]
    # float64 answers of a well-conditioned system of three unknowns, one rounded to float32
    assert np.allclose(codebook.codebooks[0, 0, 0], expected, rtol=1e-6, atol=1e-7)


def test_the_scale_of_the_received_inputs_is_corrected() -> None:
    weights = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    inputs = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], np.float32)
    codebook = quantize_with_correction(weights, inputs, inputs / 2, spaces=1, words=2, seed=0, sweeps=1)
    assert np.allclose(codebook.decode().T, 2 * weights, rtol=4 * 2.0**-24)


def test_inputs_that_are_always_zero_leave_the_words_alone() -> None:
    weights, inputs, _ = layer_of(50, 8, 6)
    inputs[:, 2:4] = 0
    plain = product_quantization(weights.T, spaces=4, words=3, seed=0)
    corrected = quantize_with_correction(weights, inputs, inputs, spaces=4, words=3, seed=0, sweeps=2)
    assert np.array_equal(corrected.codebooks[0, 1], plain.codebooks[0, 1])


@pytest.mark.parametrize("shapes", [((4, 3), (5, 4), (6, 4)), ((4, 3), (5, 3), (5, 3))])
def test_shapes_that_do_not_fit_are_refused(shapes: tuple) -> None:
    with pytest.raises(MethodError, match="do not fit"):
        quantize_with_correction(*(np.ones(shape, np.float32) for shape in shapes), spaces=1, words=1, seed=0, sweeps=1)
