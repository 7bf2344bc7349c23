import numpy as np
import pytest

from edgecompress.errors import UnsupportedModelError
from edgecompress.runtimes.inputs import example_inputs
from edgecompress.values import TensorSpec


def test_zeros_of_each_form():
    first, second = example_inputs((TensorSpec("a", (-1, 2, 3), "float32"), TensorSpec("b", (4,), "int8")))
    assert (first.shape, first.dtype, second.shape, second.dtype) == ((1, 2, 3), np.float32, (4,), np.int8)
    assert not first.any() and not second.any()


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("float32", 0, 1), ("float16", 0, 1), ("int8", -128, 127), ("uint8", 0, 255), ("bool", 0, 1), ("int32", 0, 0)],
)
def test_noise_fills_the_range(dtype, low, high):
    (noise,) = example_inputs((TensorSpec("a", (10_000,), dtype),), seed=1)
    values = noise.astype(np.float64)
    assert noise.dtype == dtype and low <= values.min() and values.max() <= high
    # the chance that 10,000 draws miss the outer hundredth at one end is 0.99^10000, below 1e-43
    assert values.max() - values.min() >= 0.98 * (high - low)


def test_noise_is_that_of_its_seed():
    specs = (TensorSpec("a", (9,), "float32"),)
    (one,), (same,), (other,) = (example_inputs(specs, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (TensorSpec("a", (-1, -1, 3), "float32"), "leaves more than the batch free"),
        (TensorSpec("a", (1,), "string"), "of type string"),
        (TensorSpec("a", (1, 2**40, 2**40), "int8"), "bytes"),
    ],
)
def test_what_cannot_be_fed_is_refused(spec, reason):
    with pytest.raises(UnsupportedModelError, match=reason):
        example_inputs((spec,))
