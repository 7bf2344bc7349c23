"""Arrays with a structure get the coding that is made for it, about as small as theory allows; noise costs nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edgecompress.packing.choosing.array import Array, coded_bytes, smallest
from edgecompress.packing.codings import Codebook, Coding, Fill, Packed, Planes, Raw, Scaled, Sparse, Symbols
from edgecompress.testing.codings import decoded

COUNT = 1 << 14


def chosen(values: np.ndarray, **known: object) -> tuple[Coding, int]:
    """Return the coding of an array, which was written, read and decoded, and its size."""
    data = np.frombuffer(values.tobytes(), np.uint8)
    coding = smallest(Array(data, values.dtype.itemsize, values.dtype.kind == "f", **known))
    assert decoded(coding, len(data)) == data.tobytes()
    return coding, coded_bytes(coding)


def random() -> np.random.Generator:
    return np.random.default_rng(5)


def entropy_bytes(shares: list[float] | np.ndarray, count: int = COUNT) -> float:
    known = np.array(shares)
    return float(-(known * np.log2(known)).sum() * count / 8)


@pytest.mark.parametrize("dtype", ["u1", "<i2", "<f4", "<i8"])
def test_a_constant_is_one_element(dtype: str) -> None:
    coding, size = chosen(np.full(1000, 7, dtype))
    assert isinstance(coding, Fill) and size <= 10


def test_one_value_among_zeros_is_sparse() -> None:
    values = np.zeros(COUNT, np.float32)
    values[random().choice(COUNT, 40, replace=False)] = random().normal(size=40)
    coding, size = chosen(values)
    assert isinstance(coding, Sparse) and coding.count == 40
    # 40 floats of 32 bits, log2(16384 over 40) = 401 bits for their places; 64 bytes for parameters and the learning
    assert size < 40 * 4 + 401 / 8 + 64


@pytest.mark.parametrize("zeros", [0.0, 0.5])
def test_clustered_floats_are_a_codebook(zeros: float) -> None:
    centres = random().normal(size=16).astype(np.float32)
    values = centres[random().integers(0, 16, COUNT)]
    values[random().random(COUNT) < zeros] = 0
    coding, size = chosen(values)
    shares = [(1 - zeros) / 16] * 16 + [zeros] * (zeros > 0)
    assert "codebook" in coding.words
    assert size < 1.02 * entropy_bytes(shares) + 16 * 4 + 64  # the coder, the learning of 16 shares, and the centres


@pytest.mark.parametrize("outputs_first", [True, False])
def test_signs_with_a_magnitude_a_channel_cost_a_bit_a_weight(outputs_first: bool) -> None:
    magnitudes = (0.5 + random().random(32)).astype(np.float32)
    signs = np.sign(random().normal(size=(32, 512))).astype(np.float32)
    values = signs * magnitudes[:, None] if outputs_first else (signs * magnitudes[:, None]).T.copy()
    coding, size = chosen(values, channels=len(values))
    assert isinstance(coding, Scaled) and coding.channels == 32
    assert COUNT / 8 < size < 1.01 * COUNT / 8 + 32 * 4 + 80


@pytest.mark.parametrize("outputs_first", [True, False])
def test_fake_quantized_floats_are_integers_times_scales(outputs_first: bool) -> None:
    scales = (0.01 + random().random(64) / 50).astype(np.float32)
    integers = np.clip(np.rint(random().normal(size=(64, 256)) * 25), -127, 127)
    integers[:, 0] = 127
    values = (integers.astype(np.float32) * scales[:, None]).astype(np.float32)
    values += 0.0  # the products of negative scales there are none of, and no -0
    coding, size = chosen(values if outputs_first else values.T.copy(), channels=64 if outputs_first else 256)
    assert isinstance(coding, Scaled) and coding.channels == 64
    _, counts = np.unique(integers, return_counts=True)
    # learning 150 shares costs about log2(n) / 2 = 7 bits each
    assert size < 1.02 * entropy_bytes(counts / counts.sum()) + 64 * 4 + 150 + 64


def test_four_bits_that_share_bytes_are_taken_apart() -> None:
    numbers = np.clip(np.rint(random().normal(size=COUNT) * 1.5), -8, 7).astype(np.int64) & 15
    data = (numbers[::2] | numbers[1::2] << 4).astype(np.uint8)
    coding, size = chosen(data, bits=4)
    _, counts = np.unique(numbers, return_counts=True)
    assert isinstance(coding, Packed)
    assert size < 1.01 * entropy_bytes(counts / COUNT) + 80


def test_pruned_integers_cost_their_mask_and_what_is_left() -> None:
    values = random().integers(-127, 128, COUNT).astype(np.int8)
    mask = random().random(COUNT) < 0.9
    values[mask] = 0
    _, size = chosen(values.view(np.uint8))
    kept = COUNT - np.count_nonzero(values == 0)
    bound = entropy_bytes([kept / COUNT, 1 - kept / COUNT]) + kept
    # 255 shares are learnt from 1,600 values, or the values are stored as they are
    assert size < 1.02 * bound + 64


@pytest.mark.parametrize("dtype", ["u1", "<i2", "<f4", "<f8", "<i8"])
@pytest.mark.parametrize("count", [1, 7, 4096])
def test_noise_is_never_larger_than_itself(dtype: str, count: int) -> None:
    values = np.frombuffer(random().bytes(count * np.dtype(dtype).itemsize), dtype)
    _, size = chosen(values)
    assert size <= values.nbytes + 1  # the byte that says that it is raw


def test_zeros_of_both_signs_are_kept() -> None:
    values = np.where(random().random(COUNT) < 0.5, 0.0, -0.0).astype(np.float32)
    values[:100] = random().normal(size=100)
    coding, size = chosen(values)
    assert isinstance(coding, Sparse) and len(coding.holes) == 2
    # a bit for each sign, 100 floats, log2(16384 over 100) = 872 bits for their places; 64 for parameters and learning
    assert size < COUNT / 8 + 100 * 4 + 872 / 8 + 64


def test_only_zeros_of_both_signs() -> None:
    _, size = chosen(np.where(random().random(COUNT) < 0.5, 0.0, -0.0).astype(np.float32))
    assert size < COUNT / 8 + 64


@pytest.mark.parametrize("along", ["rows", "columns"])
def test_contexts_are_chosen_where_channels_differ_in_density(along: str) -> None:
    # 64 channels, of which half hold one weight in 50 and half one in two: 0.57 bits, and 0.83 if they are not told
    density = np.where(random().random(64) < 0.5, 0.02, 0.5)
    values = (random().random((256, 64)) < density).astype(np.uint8) * 5
    if along == "rows":
        values = values.T.copy()
    data = values.ravel()
    told, size = chosen(data, channels=len(values))
    assert "contexts along" in told.words
    shares = np.array([0.02, 0.98]), np.array([0.5, 0.5])
    many = np.bincount(density > 0.1)
    ideal = sum(entropy_bytes(share, 256 * int(count)) for share, count in zip(shares, many, strict=True))
    assert size < 1.08 * ideal + 64  # an average over 16 or 64 weights is not the density itself
    ones = np.count_nonzero(data) / COUNT
    assert size < 0.85 * entropy_bytes([ones, 1 - ones])  # what any code without contexts takes at the least


def test_contexts_by_row_and_column_follow_a_product_of_densities() -> None:
    rows, columns = random().choice([0.05, 0.9], 256), random().choice([0.05, 0.9], 256)
    values = (random().random((256, 256)) < rows[:, None] * columns).astype(np.uint8)
    told, size = chosen(values.ravel(), channels=256)
    ones = np.count_nonzero(values) / values.size
    assert isinstance(told, Symbols) and told.coding.by_row
    assert size < 0.8 * entropy_bytes([ones, 1 - ones], values.size)


def test_exponents_of_floats_are_coded_and_mantissas_are_not() -> None:
    values = random().normal(size=COUNT).astype(np.float32)
    coding, size = chosen(values)
    assert isinstance(coding, Planes) and coding.rotated
    exponents = (values.view(np.uint32) >> 23 & 255).astype(np.uint8)
    _, counts = np.unique(exponents, return_counts=True)
    # 24 bits of sign and mantissa are noise; the last byte of the mantissa holds the sign
    assert size < 1.02 * (entropy_bytes(counts / COUNT) + 3 * COUNT) + 64


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("width", [1, 2, 4, 8])
@pytest.mark.parametrize("is_float", [True, False])
def test_short_arrays(count: int, width: int, is_float: bool) -> None:
    for data in (bytes(count * width), random().bytes(count * width)):
        coding = smallest(Array(np.frombuffer(data, np.uint8), width, is_float))
        assert decoded(coding, len(data)) == data


def test_bytes_that_are_no_whole_elements_stay_as_they_are() -> None:
    coding = smallest(Array(np.zeros(10, np.uint8), 4, True))
    assert isinstance(coding, Raw) and decoded(coding, 10) == bytes(10)


FLOATS = np.array([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-45, -1e-40, 3e38, 1.0], np.float32)
SPECIAL = [*FLOATS.view("<u4").tolist(), 0x7F800001]  # and a signalling NaN


@settings(max_examples=60, deadline=None)
@given(
    values=arrays.arrays("<u4", st.integers(1, 200), elements=st.sampled_from(SPECIAL)),
    channels=st.integers(0, 8),
)
def test_special_floats_are_kept_bit_by_bit(values: np.ndarray, channels: int) -> None:
    usable = channels if channels > 1 and len(values) % channels == 0 else 0
    chosen(values.view("<f4"), channels=usable)


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(min_size=1, max_size=400),
    repeat=st.integers(1, 5),
    width=st.sampled_from([1, 2, 4, 8]),
    is_float=st.booleans(),
    bits=st.sampled_from([0, 0, 2, 4]),
    channels=st.integers(0, 9),
)
def test_any_bytes(data: bytes, repeat: int, width: int, is_float: bool, bits: int, channels: int) -> None:
    whole = np.frombuffer(data * repeat, np.uint8)
    elements = len(whole) * 8 // bits if bits else len(whole) // width
    usable = channels if channels > 1 and elements % channels == 0 and len(whole) % width == 0 else 0
    coding = smallest(Array(whole, 1 if bits else width, is_float and not bits, bits, usable))
    assert decoded(coding, len(whole)) == whole.tobytes()
    assert coded_bytes(coding) <= len(whole) + 1


def test_a_codebook_of_indices_along_channels() -> None:
    centres = random().normal(size=4).astype(np.float32)
    shares = random().dirichlet([0.2] * 4, 64)
    indices = np.array([random().choice(4, 512, p=share) for share in shares])
    coding, _ = chosen(centres[indices], channels=64)
    assert isinstance(coding, Codebook | Sparse)
