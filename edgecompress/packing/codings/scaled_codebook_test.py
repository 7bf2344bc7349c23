from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import PackedFileError
from edgecompress.packing.codings import Fill, Raw, ScaledCodebook
from edgecompress.testing.codings import decoded, read


def scaled_codebook(channels: int, inner: int, scales, values, steps, indices) -> ScaledCodebook:
    return ScaledCodebook(
        channels,
        inner,
        len(values),
        Raw(np.asarray(scales, "<f4").tobytes()),
        Raw(np.asarray(values, "<f4").tobytes()),
        Raw(np.asarray(steps, np.int8).tobytes()),
        Raw(np.asarray(indices, np.uint8).tobytes()),
    )


@pytest.mark.parametrize(("channels", "inner"), [(3, 4), (4, 1), (12, 2), (1, 24)])
def test_values_times_the_scale_of_their_channel(channels: int, inner: int) -> None:
    random = np.random.default_rng(0)
    scales, values = random.normal(size=channels).astype(np.float32), random.normal(size=5).astype(np.float32)
    indices = random.integers(0, 5, (24 // (channels * inner), channels, inner))
    coding = scaled_codebook(channels, inner, scales, values, np.zeros((channels, 5)), indices)
    assert decoded(coding, 96) == (values[indices] * scales[None, :, None]).astype("<f4").tobytes()


def test_steps_belong_to_a_value_of_a_channel() -> None:
    coding = scaled_codebook(2, 2, [2, 1], [1, 3], [[1, 0], [0, -1]], [0, 1, 0, 1])
    above, below = np.nextafter(np.float32(2), np.float32(3)), np.nextafter(np.float32(3), np.float32(2))
    assert np.frombuffer(decoded(coding, 16), "<f4").tolist() == [above, 6, 1, below]


def test_zeros_of_a_negative_channel_are_negative() -> None:
    assert decoded(scaled_codebook(2, 1, [1, -1], [0], [0, 0], [0, 0]), 8) == bytes(7) + b"\x80"


def test_an_index_beyond_the_values_is_refused() -> None:
    with pytest.raises(PackedFileError, match="beyond a codebook of 2"):
        decoded(scaled_codebook(1, 2, [1], [1, 2], [0, 0], [0, 2]), 8)


@pytest.mark.parametrize(("channels", "inner", "size_bytes"), [(0, 1, 8), (1, 0, 8), (3, 1, 8), (2, 2, 8), (1, 1, 10)])
def test_channels_that_do_not_divide_are_refused(channels: int, inner: int, size_bytes: int) -> None:
    with pytest.raises(PackedFileError, match=r"do not divide|at most"):
        read(bytes([ScaledCodebook.kind, channels, inner, 0]) + bytes([Fill.kind, 1, 0]) * 4, b"", size_bytes)
