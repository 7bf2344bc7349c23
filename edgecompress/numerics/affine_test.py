import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.errors import DataError
from edgecompress.numerics.affine import dequantize, quantize
from edgecompress.values import QuantScheme, TensorSpec

DTYPES = ("int8", "uint8", "int16", "uint16")
scales = st.floats(2.0**-20, 1024.0, width=32)


def spec_of(dtype, scale, zero_point):
    return TensorSpec("t", (-1,), dtype, QuantScheme((scale,), (zero_point,)))


@st.composite
def schemes(draw):
    dtype = draw(st.sampled_from(DTYPES))
    limits = np.iinfo(dtype)
    return spec_of(dtype, draw(scales), draw(st.integers(int(limits.min), int(limits.max))))


def test_worked_by_hand():
    spec = spec_of("int8", 0.5, -3)
    #         0/.5-3  1.0/.5-3  0.25 -> .5 -> 0   0.75 -> 1.5 -> 2   saturated at both ends
    real = np.array([0.0, 1.0, 0.25, 0.75, 1000.0, -1000.0, np.inf, -np.inf], np.float32)
    assert quantize(real, spec).tolist() == [-3, -1, -3, -1, 127, -128, 127, -128]
    assert dequantize(np.array([-3, -1, 127], np.int8), spec).tolist() == [0.0, 1.0, 65.0]


@given(schemes())
def test_every_stored_value_survives_the_round_trip(spec):
    limits = np.iinfo(spec.dtype)
    stored = np.linspace(limits.min, limits.max, 511).astype(spec.dtype)
    assert np.array_equal(quantize(dequantize(stored, spec), spec), stored)


@given(schemes(), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_a_value_in_range_moves_by_half_a_step_at_most(spec, fractions):
    limits = np.iinfo(spec.dtype)
    low, high = dequantize(np.array([limits.min, limits.max], spec.dtype), spec).astype(np.float64)
    real = (low + (high - low) * np.array(fractions)).astype(np.float32)
    moved = np.abs(dequantize(quantize(real, spec), spec).astype(np.float64) - real)
    # half a step, plus the rounding of the float32 quotient and product: two units of 2^-24 at 65536 steps
    assert moved.max() <= spec.quant.scales[0] * (0.5 + 2**-24 * 65536 * 2)


@given(schemes(), st.lists(st.floats(-(2.0**30), 2.0**30, width=32), min_size=2, max_size=20))
def test_order_is_kept(spec, values):
    stored = quantize(np.sort(np.array(values, np.float32)), spec)
    assert (np.diff(stored.astype(np.int64)) >= 0).all()


def test_each_channel_has_its_own_scale():
    spec = TensorSpec("w", (2, 3), "int8", QuantScheme((1.0, 0.5, 0.25), (0, 1, -1), axis=1))
    real = np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]], np.float32)
    assert quantize(real, spec).tolist() == [[1, 3, 3], [2, 5, 7]]
    assert np.array_equal(dequantize(quantize(real, spec), spec), real)


def test_int32_saturates_without_overflow():
    spec = spec_of("int32", 1e-3, 0)
    ends = np.iinfo(np.int32)
    assert quantize(np.array([1e30, -1e30], np.float32), spec).tolist() == [ends.max, ends.min]


def test_a_float_tensor_is_only_cast():
    spec = TensorSpec("x", (-1,), "float16")
    assert quantize(np.array([1.5], np.float32), spec).dtype == np.float16
    assert dequantize(np.array([1.5], np.float16), spec).dtype == np.float32


def test_nan_is_refused():
    with pytest.raises(DataError, match="'t' is not a number"):
        quantize(np.array([np.nan], np.float32), spec_of("int8", 1.0, 0))
