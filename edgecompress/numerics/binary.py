"""Binary networks in plain NumPy: the arithmetic that every kernel and every file must reproduce.

Bit 1 is -1 and bit 0 is +1, channels last, bit i of a byte b being channel 8 b + i. With K products a sum, of which m
are -1, `sum = K - 2 m`. Rastegari et al., XNOR-Net, arXiv:1603.05279; Hubara et al., arXiv:1602.02830.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from edgecompress.numerics.padding import same_padding


@dataclass(frozen=True)
class Window:
    """How a kernel or pool moves over an image; pads are (top, left, bottom, right) pixels."""

    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)


def same_pads(
    size: tuple[int, int], kernel: tuple[int, int], strides: tuple[int, int], dilations: tuple[int, int] = (1, 1)
) -> tuple[int, int, int, int]:
    """Return TensorFlow's "SAME" padding, the larger half below and on the right."""
    (top, bottom), (left, right) = map(same_padding, size, kernel, strides, dilations)
    return top, left, bottom, right


def pack_signs(values: np.ndarray, *, word_bytes: int = 1) -> np.ndarray:
    """Return the signs of the last axis as bits, uint8, padded with 0 to words of `word_bytes`: `bit = value < 0`."""
    bits = np.packbits(values < 0, axis=-1, bitorder="little")
    missing = -bits.shape[-1] % word_bytes
    return np.pad(bits, [(0, 0)] * (bits.ndim - 1) + [(0, missing)])


def unpack_signs(bits: np.ndarray, channels: int) -> np.ndarray:
    """Return +1 and -1, int8, of the first `channels` bits of the last axis."""
    unpacked = np.unpackbits(bits.astype(np.uint8, copy=False), axis=-1, count=channels, bitorder="little")
    return (1 - 2 * unpacked.astype(np.int8)).astype(np.int8)


def binary_convolution(
    inputs: np.ndarray, kernel: np.ndarray, window: Window, *, channels: int, zero_padding: bool = False
) -> np.ndarray:
    """Return the sums of +-1 products, int32, N x OH x OW x O, of packed inputs NHWB and kernels OHWB.

    Padding adds +1 values, or with `zero_padding` nothing.
    """
    images = unpack_signs(inputs, channels).astype(np.int32)
    taps = unpack_signs(kernel, channels).astype(np.int32)
    top, left, bottom, right = window.pads
    border = [(0, 0), (top, bottom), (left, right), (0, 0)]
    images = np.pad(images, border, constant_values=0 if zero_padding else 1)
    return np.einsum("nyxchw,ohwc->nyxo", _windows(images, taps.shape[1:3], window), taps, optimize=True)


def max_pool(inputs: np.ndarray, size: tuple[int, int], window: Window) -> np.ndarray:
    """Return the greatest of each window of packed inputs NHWB: bitwise and, padding never winning."""
    top, left, bottom, right = window.pads
    border = [(0, 0), (top, bottom), (left, right), (0, 0)]
    padded = np.pad(inputs, border, constant_values=0xFF)
    return np.bitwise_and.reduce(_windows(padded, size, window), axis=(-2, -1))


def affine(sums: np.ndarray, multiplier: np.ndarray, bias: np.ndarray, *, relu: bool = False) -> np.ndarray:
    """Return `sum * multiplier + bias` in float32, both operations rounded; with `relu`, of `max(sum, 0)`."""
    rectified = np.maximum(sums, 0) if relu else sums
    return rectified.astype(np.float32) * multiplier.astype(np.float32) + bias.astype(np.float32)


def thresholds(products: int, channels: int, values: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Return t, int32, a channel, with `values(sum) < 0` exactly where `K - sum > 2 t`, for K = `products`.

    `values` maps sums [channels] to numbers that never fall as the sum grows, so that there is one such t, found by
    bisection: `t = max {m : values(K - 2 m) >= 0}`, -1 if there is none.
    """
    low, high = np.full(channels, -1), np.full(channels, products)
    while (low < high).any():  # bisection for all channels at once
        middle = (low + high + 1) // 2
        kept = values(products - 2 * middle) >= 0
        low, high = np.where(kept, middle, low), np.where(kept, high, middle - 1)
    return low.astype(np.int32)


def _windows(images: np.ndarray, size: tuple[int, int], window: Window) -> np.ndarray:
    """Return N x OH x OW x C x kernel height x kernel width."""
    (row_step, column_step), (row_gap, column_gap) = window.strides, window.dilations
    reach = ((size[0] - 1) * row_gap + 1, (size[1] - 1) * column_gap + 1)
    every = sliding_window_view(images, reach, axis=(1, 2))
    return every[:, ::row_step, ::column_step, :, ::row_gap, ::column_gap]
