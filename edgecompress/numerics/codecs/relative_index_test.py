from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgecompress.errors import ModelFileError
from edgecompress.numerics.codecs.relative_index import RelativeIndex, decode, encode


def test_the_papers_figure() -> None:
    values = np.zeros(16, np.float32)
    values[[1, 4, 15]] = [3.4, 0.9, 1.7]
    index = encode(values, gap_bits=3)
    # 11 positions from 4 to 15: a full step of 8, on a filler at 12, and one of 3
    assert (index.skips + 1).tolist() == [2, 3, 8, 3]
    assert index.entries.tolist() == np.array([3.4, 0.9, 0, 1.7], np.float32).tolist()
    assert index.filler_count == 1


@pytest.mark.parametrize(("zeros", "skips"), [(7, [7]), (8, [7, 0]), (15, [7, 7]), (16, [7, 7, 0])])
def test_the_longest_step_needs_no_filler(zeros: int, skips: list[int]) -> None:
    assert encode(np.array([0] * zeros + [5]), gap_bits=3).skips.tolist() == skips


@given(
    hnp.arrays(
        np.float32, st.integers(0, 200), elements=st.sampled_from([0.0, 0.0, 0.0, 0.0, 1.5, -2.0, np.nan, 1e-45])
    ),
    st.integers(1, 32),
)
def test_values_survive_bit_for_bit(values: np.ndarray, gap_bits: int) -> None:
    index = encode(values, gap_bits=gap_bits)
    assert index.skips.size == 0 or int(index.skips.max()) < 2**gap_bits
    assert decode(index).tobytes() == values.tobytes()
    assert index.entries.size == np.count_nonzero(values) + index.filler_count


def test_only_zeros_take_no_entry() -> None:
    assert encode(np.zeros(1000, np.int8), gap_bits=1).skips.size == 0


@pytest.mark.parametrize(("skips", "entries"), [([3, 3], [1, 1]), ([2**32 - 1], [1]), ([0, 0], [1])])
def test_a_damaged_index_is_refused(skips: list[int], entries: list[int]) -> None:
    with pytest.raises(ModelFileError, match="does not fit an array of 7"):
        decode(RelativeIndex(np.array(skips, np.uint32), np.array(entries), 7))


@pytest.mark.parametrize(("shape", "gap_bits"), [((2, 2), 3), ((4,), 0), ((4,), 33)])
def test_what_cannot_be_encoded_is_refused(shape: tuple[int, ...], gap_bits: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        encode(np.ones(shape), gap_bits=gap_bits)
