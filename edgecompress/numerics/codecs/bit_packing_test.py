from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.errors import ModelFileError
from edgecompress.numerics.codecs.bit_packing import pack_bits, unpack_bits


def test_worked_by_hand() -> None:
    # 5 = 101, 3 = 011, 6 = 110, lowest bit first: 101 110 01|1 and seven zeros
    assert pack_bits(np.array([5, 3, 6]), bits=3) == bytes([0b10_011_101, 0b1])


@given(st.integers(1, 32).flatmap(lambda bits: st.tuples(st.just(bits), st.lists(st.integers(0, 2**bits - 1)))))
def test_values_survive_and_take_no_more_bytes_than_their_bits(case: tuple[int, list[int]]) -> None:
    bits, values = case
    data = pack_bits(np.array(values, np.uint32), bits=bits)
    assert len(data) == -(-len(values) * bits // 8)
    assert unpack_bits(data, bits=bits, count=len(values)).tolist() == values


@pytest.mark.parametrize("bits", [1, 5, 11, 32])
def test_values_survive_across_chunks(bits: int) -> None:
    values = np.random.default_rng(bits).integers(0, 2**bits, 200_003, np.uint64)
    assert np.array_equal(unpack_bits(pack_bits(values, bits=bits), bits=bits, count=values.size), values)


@pytest.mark.parametrize(("value", "bits"), [(8, 3), (-1, 3), (2**32, 32), (1.0, 3), (0, 0), (0, 33)])
def test_what_does_not_fit_is_refused(value: float, bits: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        pack_bits(np.array([value]), bits=bits)


@pytest.mark.parametrize(("bits", "count"), [(3, 2), (3, 6), (0, 1), (33, 0), (3, -1), (3, 2**62)])
def test_a_wrong_length_is_refused(bits: int, count: int) -> None:
    with pytest.raises(ModelFileError, match="2 bytes came"):
        unpack_bits(b"ab", bits=bits, count=count)
