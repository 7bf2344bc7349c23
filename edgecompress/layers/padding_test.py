"""Padding of the amounts that are computed here is what TensorFlow's "same" does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.environment import load_tensorflow
from edgecompress.errors import UnsupportedModelError
from edgecompress.layers.padding import same_padding


@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4), st.integers(1, 3))
@settings(deadline=None)
def test_it_is_tensorflows(size: int, kernel: int, stride: int, dilation: int) -> None:
    if stride > 1:
        dilation = 1  # TensorFlow has not both
    nn = load_tensorflow().nn
    values = np.arange(1, size + 1, dtype=np.float32).reshape(1, size, 1, 1)
    taps = 2.0 ** np.arange(kernel, dtype=np.float32).reshape(kernel, 1, 1, 1)
    options = {"strides": (stride, 1), "dilations": (dilation, 1)}
    padded = np.pad(values, [(0, 0), same_padding(size, kernel, stride, dilation), (0, 0), (0, 0)])
    expected = nn.convolution(values, taps, padding="SAME", **options)
    np.testing.assert_array_equal(nn.convolution(padded, taps, padding="VALID", **options), expected)


def test_an_unknown_size_matters_only_with_a_stride() -> None:
    assert same_padding(None, 3, 1, 2) == same_padding(9, 3, 1, 2)
    with pytest.raises(UnsupportedModelError, match="unknown size"):
        same_padding(None, 3, 2, 1)
