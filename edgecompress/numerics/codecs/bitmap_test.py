from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.errors import ModelFileError
from edgecompress.numerics.codecs.bitmap import (
    bitmap_size_bytes,
    block_bitmap_size_bytes,
    decode_bitmap,
    decode_block_bitmap,
    encode_bitmap,
    encode_block_bitmap,
)

masks = st.lists(st.sampled_from([False, False, False, False, True]), max_size=120)


def test_worked_by_hand() -> None:
    mask = np.array([0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1], bool)
    assert encode_bitmap(mask) == bytes([0b01100000, 0b100])
    # blocks 0000, 0110 and 001(0): the last two are not empty
    assert encode_block_bitmap(mask, block_length=4) == bytes([0b110, 0b0100_0110])


@given(masks)
def test_a_mask_survives_as_bitmap(mask: list[bool]) -> None:
    data = encode_bitmap(np.array(mask, bool))
    assert len(data) == bitmap_size_bytes(len(mask))
    assert decode_bitmap(data, length=len(mask)).tolist() == mask


@given(masks, st.integers(1, 40))
def test_a_mask_survives_as_block_bitmap(mask: list[bool], block_length: int) -> None:
    data = encode_block_bitmap(np.array(mask, bool), block_length=block_length)
    filled = sum(any(mask[start : start + block_length]) for start in range(0, len(mask), block_length))
    assert len(data) == block_bitmap_size_bytes(len(mask), block_length=block_length, filled_blocks=filled)
    assert decode_block_bitmap(data, length=len(mask), block_length=block_length).tolist() == mask


@given(st.binary(max_size=12), st.integers(-1, 60), st.integers(-1, 2**40))
def test_any_bytes_are_a_mask_or_refused(data: bytes, length: int, block_length: int) -> None:
    try:
        mask = decode_block_bitmap(data, length=length, block_length=block_length)
    except ModelFileError:
        return
    assert mask.size == length


@pytest.mark.parametrize(
    ("data", "length", "block_length"), [(b"", 8, 4), (b"\1", 8, 4), (b"\0\0", 8, 4), (b"\2\4", 5, 4)]
)
def test_a_damaged_block_bitmap_is_refused(data: bytes, length: int, block_length: int) -> None:
    with pytest.raises(ModelFileError, match="are not a block bitmap"):
        decode_block_bitmap(data, length=length, block_length=block_length)


def test_a_bitmap_of_another_length_is_refused() -> None:
    with pytest.raises(ModelFileError, match="a bitmap of 17"):
        decode_bitmap(b"ab", length=17)
