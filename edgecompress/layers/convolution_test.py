"""A binary convolution is that of signs, exactly: integers in float32."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import MethodError
from edgecompress.layers.convolution import BinaryConv2D

IMAGES = np.random.default_rng(0).normal(size=(2, 7, 6, 5)).astype(np.float32)
EIGHTHS = np.round(IMAGES * 8) / 8  # their sums are exact, too


def signs(values) -> np.ndarray:
    return np.where(np.asarray(values) >= 0, 1, -1)


def convolved(images, kernel, stride: int = 1) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(images, kernel.shape[:2], (1, 2))[:, ::stride, ::stride]
    return np.einsum("nyxchw,hwco->nyxo", windows, kernel)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pad_values", [0, 1])
@pytest.mark.parametrize("gradient", ["ste", "approximate"])
def test_it_is_that_of_signs(stride: int, pad_values: int, gradient: str) -> None:
    layer = BinaryConv2D(4, 3, strides=stride, padding="same", pad_values=pad_values, input_gradient=gradient)
    found = layer(IMAGES)
    sides = [(0, 0), (1, 1), (1 if stride == 1 else 0, 1), (0, 0)]  # of 6 columns, stride 2 asks for one more, behind
    padded = np.pad(signs(IMAGES), sides, constant_values=pad_values)
    np.testing.assert_array_equal(found, convolved(padded, signs(layer.kernel), stride))


def test_without_binary_inputs_only_the_weights_are_signs() -> None:
    layer = BinaryConv2D(4, 3, padding="same", binary_inputs=False)
    found = layer(EIGHTHS)
    padded = np.pad(EIGHTHS, [(0, 0), (1, 1), (1, 1), (0, 0)])
    np.testing.assert_array_equal(found, convolved(padded, signs(layer.kernel)))


def test_the_scale_of_the_inputs_is_the_papers_map() -> None:
    plain = BinaryConv2D(4, 3, padding="same")
    scaled = BinaryConv2D(4, 3, padding="same", input_scale=True)
    sums = np.asarray(plain(IMAGES))
    scaled.build(IMAGES.shape)
    scaled.set_weights(plain.get_weights())
    magnitudes = np.pad(np.abs(IMAGES).mean(-1, keepdims=True), [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=1)
    box = np.full((3, 3, 1, 1), 1 / 9)
    # Both sides take means of 5 and of 9 positive numbers: fewer than 32 roundings of 2^-24.
    np.testing.assert_allclose(scaled(IMAGES), sums * convolved(magnitudes, box), rtol=32 * 2.0**-24)


def test_ones_surround_binary_inputs_by_default_and_zeros_real_ones() -> None:
    assert BinaryConv2D(4, 3, padding="same").pad_values == 1
    assert BinaryConv2D(4, 3, padding="same", binary_inputs=False).pad_values == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"scaled": True, "stochastic": True}, "both scaled and stochastic"),
        ({"input_gradient": "swish"}, "input_gradient 'swish'"),
        ({"input_scale": True, "binary_inputs": False}, "binary_inputs False"),
        ({"pad_values": 2}, "pad_values 2"),
        ({"data_format": "channels_first"}, "'channels_first'"),
    ],
)
def test_options_that_make_no_layer_are_refused(options, told: str) -> None:
    with pytest.raises(MethodError, match=told):
        BinaryConv2D(4, 3, **options)
