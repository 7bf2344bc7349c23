"""TensorFlow's "same" padding of one side of a map."""

from __future__ import annotations


def same_padding(size: int, taps: int, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Return the pixels before and behind a side of `size`, so that ceil(size / stride) outputs come out.

    missing = max((ceil(size / stride) - 1) stride + (taps - 1) dilation + 1 - size, 0), the larger half behind.
    """
    missing = max((-(-size // stride) - 1) * stride + (taps - 1) * dilation + 1 - size, 0)
    return missing // 2, missing - missing // 2
