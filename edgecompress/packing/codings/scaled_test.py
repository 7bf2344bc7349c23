from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import PackedFileError
from edgecompress.packing.codings import Fill, Raw, Scaled
from edgecompress.testing.codings import decoded, read


def scaled(channels: int, inner: int, scales: np.ndarray, integers: np.ndarray, steps: np.ndarray) -> Scaled:
    return Scaled(
        channels,
        inner,
        Raw(scales.astype("<f4").tobytes()),
        Raw(integers.astype(np.int8).tobytes()),
        Raw(steps.astype(np.int8).tobytes()),
    )


@pytest.mark.parametrize(("channels", "inner"), [(3, 4), (4, 1), (12, 2), (1, 24)])
def test_integers_times_the_scale_of_their_channel(channels: int, inner: int) -> None:
    random = np.random.default_rng(0)
    scales = random.random(channels).astype(np.float32)
    integers = random.integers(-128, 128, (24 // (channels * inner), channels, inner))
    expected = integers.astype(np.float32) * scales[None, :, None]
    coding = scaled(channels, inner, scales, integers, np.zeros(24))
    assert decoded(coding, 96) == expected.astype("<f4").tobytes()


def test_steps_go_to_neighbouring_numbers() -> None:
    above = np.nextafter(np.float32(6), np.float32(7))
    below = np.nextafter(np.float32(-6), np.float32(0))  # of a negative number the pattern falls towards zero
    found = np.frombuffer(decoded(scaled(1, 3, np.array([2]), np.array([3, -3, 3]), np.array([1, -1, 0])), 12), "<f4")
    assert found.tolist() == [above, below, 6.0]


@pytest.mark.parametrize("scale", [np.inf, -np.inf, np.nan, 3e38])
def test_what_is_not_finite_is_zero(scale: float) -> None:
    found = decoded(scaled(1, 2, np.array([scale]), np.array([2, -127]), np.zeros(2)), 8)
    assert found == bytes(8)


def test_what_is_below_the_normal_range_is_a_zero_of_its_sign() -> None:
    assert decoded(scaled(1, 2, np.array([1e-42]), np.array([2, -127]), np.zeros(2)), 8) == bytes(7) + b"\x80"


@pytest.mark.parametrize(("channels", "inner", "size_bytes"), [(0, 1, 8), (1, 0, 8), (3, 1, 8), (2, 2, 8), (1, 1, 10)])
def test_channels_that_do_not_divide_are_refused(channels: int, inner: int, size_bytes: int) -> None:
    with pytest.raises(PackedFileError, match=r"do not divide|at most"):
        read(bytes([Scaled.kind, channels, inner]) + bytes([Fill.kind, 1, 0]) * 3, b"", size_bytes)
