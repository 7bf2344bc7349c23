"""The reference itself, against arithmetic with numbers where it computes with bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.numerics.binary import (
    Window,
    affine,
    binary_convolution,
    max_pool,
    pack_signs,
    same_pads,
    thresholds,
    unpack_signs,
)


def test_a_sum_worked_by_hand() -> None:
    inputs, kernel = np.array([1.0, -2.0, 0.0, -0.0, -3.0]), np.array([-1, -1, 1, 1, 1])
    # products of signs: -1, +1, +1, +1, -1; two mismatches, so that the sum is 5 - 2 * 2
    bits = pack_signs(inputs.reshape(1, 1, 1, 5)), pack_signs(kernel.reshape(1, 1, 1, 5))
    assert bits[0].ravel().tolist() == [0b10010] and bits[1].ravel().tolist() == [0b00011]
    assert binary_convolution(*bits, Window(), channels=5).item() == 1


def test_zero_and_nan_are_positive() -> None:
    assert unpack_signs(pack_signs(np.array([0.0, -0.0, np.nan, -1e-45])), 4).tolist() == [1, 1, 1, -1]


@given(st.integers(1, 70), st.sampled_from([1, 4]), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_signs_survive_packing_and_pads_are_zero(channels: int, word_bytes: int, seed: int) -> None:
    signs = np.random.default_rng(seed).choice([-1, 1], (2, channels))
    bits = pack_signs(signs, word_bytes=word_bytes)
    assert bits.shape[-1] == -(-channels // (8 * word_bytes)) * word_bytes
    assert (unpack_signs(bits, channels) == signs).all()
    assert (unpack_signs(bits, 8 * bits.shape[-1])[:, channels:] == 1).all()


@pytest.mark.parametrize("zero_padding", [False, True])
@pytest.mark.parametrize(
    "window", [Window(), Window((2, 1), (1, 2), (1, 0, 2, 1)), Window((3, 2), (2, 1), (2, 1, 0, 1))]
)
def test_convolution_is_that_of_numbers(window: Window, zero_padding: bool) -> None:
    generator = np.random.default_rng(0)
    images, kernel = generator.choice([-1, 1], (2, 7, 8, 11)), generator.choice([-1, 1], (5, 2, 3, 11))
    found = binary_convolution(pack_signs(images), pack_signs(kernel), window, channels=11, zero_padding=zero_padding)
    top, left, bottom, right = window.pads
    padded = np.pad(images, [(0, 0), (top, bottom), (left, right), (0, 0)], constant_values=0 if zero_padding else 1)
    for n, y, x, o in np.ndindex(found.shape):
        total = 0
        for ky, kx in np.ndindex(2, 3):
            row, column = (
                y * window.strides[0] + ky * window.dilations[0],
                x * window.strides[1] + kx * window.dilations[1],
            )
            total += int(padded[n, row, column] @ kernel[o, ky, kx])
        assert found[n, y, x, o] == total


def test_the_greatest_sign_of_a_window() -> None:
    images = np.random.default_rng(1).choice([-1, 1], (1, 6, 5, 9), p=[0.8, 0.2])
    found = unpack_signs(max_pool(pack_signs(images), (3, 2), Window((2, 1), (1, 1), (1, 0, 1, 1))), 9)
    padded = np.pad(images, [(0, 0), (1, 1), (0, 1), (0, 0)], constant_values=-2)
    for n, y, x, c in np.ndindex(found.shape):
        assert found[n, y, x, c] == padded[n, 2 * y : 2 * y + 3, x : x + 2, c].max()


@given(
    st.integers(1, 300),
    st.floats(0, 1e3, width=32),
    st.floats(-1e6, 1e6, width=32),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_a_threshold_is_the_sign_of_the_rounded_map(products: int, multiplier: float, bias: float, relu: bool) -> None:
    figures = np.array([multiplier], np.float32), np.array([bias], np.float32)
    (threshold,) = thresholds(products, 1, lambda sums: affine(sums, *figures, relu=relu))
    sums = np.arange(-products, products + 1, 2)
    negative = affine(sums, *figures, relu=relu) < 0
    assert (negative == (products - sums > 2 * threshold)).all()


@pytest.mark.parametrize(
    ("size", "kernel", "strides", "dilations", "pads"),
    [
        ((7, 7), (3, 3), (1, 1), (1, 1), (1, 1, 1, 1)),
        ((8, 8), (3, 3), (2, 2), (1, 1), (0, 0, 1, 1)),
        ((5, 6), (2, 4), (1, 3), (1, 1), (0, 0, 1, 1)),
        ((4, 4), (3, 3), (1, 1), (2, 2), (2, 2, 2, 2)),
        ((4, 4), (1, 1), (2, 2), (1, 1), (0, 0, 0, 0)),
    ],
)
def test_same_padding_is_tensorflows(size, kernel, strides, dilations, pads) -> None:
    assert same_pads(size, kernel, strides, dilations) == pads
