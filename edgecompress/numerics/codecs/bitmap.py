"""Bitmap indices: where the non-zeros are, as one bit a position, or only inside blocks that are not empty."""

from __future__ import annotations

import numpy as np

from edgecompress.errors import ModelFileError


def bitmap_size_bytes(length: int) -> int:
    """Return the bytes of a bitmap, `ceil(length / 8)`."""
    return (length + 7) // 8


def block_bitmap_size_bytes(length: int, *, block_length: int, filled_blocks: int) -> int:
    """Return the bytes of a block bitmap: `ceil(blocks / 8) + ceil(filled_blocks block_length / 8)`."""
    return bitmap_size_bytes(-(-length // block_length)) + bitmap_size_bytes(filled_blocks * block_length)


def encode_bitmap(mask: np.ndarray) -> bytes:
    """Pack a flat mask: position p is bit `p % 8` of byte `p // 8`."""
    return np.packbits(mask.astype(bool), bitorder="little").tobytes()


def decode_bitmap(data: bytes, *, length: int) -> np.ndarray:
    """Return the mask, bool [length].

    Raises:
        ModelFileError: `data` has another length.
    """
    if length < 0 or len(data) != bitmap_size_bytes(length):
        raise _damaged(data, f"a bitmap of {length} positions")
    return np.unpackbits(np.frombuffer(data, np.uint8), count=length, bitorder="little").astype(bool)


def encode_block_bitmap(mask: np.ndarray, *, block_length: int) -> bytes:
    """Pack a flat mask in two bitmaps: which blocks are not empty, and what is in those."""
    blocks = np.pad(mask.astype(bool), (0, -mask.size % block_length)).reshape(-1, block_length)
    filled = np.logical_or.reduce(blocks, axis=1)
    return encode_bitmap(filled) + encode_bitmap(blocks[filled].ravel())


def decode_block_bitmap(data: bytes, *, length: int, block_length: int) -> np.ndarray:
    """Return the mask, bool [length]; the length is the caller's to bound.

    Raises:
        ModelFileError: `data` has another length than its first bitmap asks for, or marks positions behind the end.
    """
    expected = f"a block bitmap of {length} positions in blocks of {block_length}"
    if length < 0 or block_length < 1:
        raise _damaged(data, expected)
    block_count = -(-length // block_length)
    head = bitmap_size_bytes(block_count)
    if len(data) < head:
        raise _damaged(data, expected)
    filled = decode_bitmap(data[:head], length=block_count)
    filled_blocks = int(filled.sum())
    if len(data) != block_bitmap_size_bytes(length, block_length=block_length, filled_blocks=filled_blocks):
        raise _damaged(data, expected)
    # only now is a block known to be no longer than the data, so that the array is bounded
    if not filled_blocks:
        return np.zeros(length, bool)
    blocks = np.zeros((block_count, block_length), bool)
    blocks[filled] = decode_bitmap(data[head:], length=filled_blocks * block_length).reshape(-1, block_length)
    mask = blocks.ravel()
    if mask[length:].any():
        raise _damaged(data, expected)
    return mask[:length]


def _damaged(data: bytes, expected: str) -> ModelFileError:
    return ModelFileError(f"The {len(data)} bytes are not {expected}.", hint="The file is damaged; write it again.")
