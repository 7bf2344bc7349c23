"""Relative sparse index: where the non-zeros are, as short distances, with filler zeros in long gaps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecompress.errors import ModelFileError
from edgecompress.numerics.codecs.bit_packing import MAXIMUM_BITS


@dataclass(frozen=True, eq=False)
class RelativeIndex:
    """A sparse array as entries and the zeros before each of them.

    An entry is a non-zero or a filler, which is a zero. `skips` is ready for `pack_bits(skips, bits=gap_bits)`.
    """

    skips: np.ndarray  # uint32 [entries]: zeros between the entry before and this one, 0..2^gap_bits - 1
    entries: np.ndarray  # [entries], of the array's type
    length: int  # elements of the array

    @property
    def filler_count(self) -> int:
        """Entries that are zeros, stored because a gap was too long for one step."""
        return int((self.entries == 0).sum())


def encode(values: np.ndarray, *, gap_bits: int) -> RelativeIndex:
    """Keep the non-zeros of a flat array, each with the zeros skipped since the entry before.

    One step leads `skip + 1 <= 2^gap_bits` positions on, the first from just before the array; the bound of 3 bits is
    8, as in the paper's figure 2. With s zeros before a non-zero, there come `s >> gap_bits` fillers, each a full step
    that ends on a zero, and then the non-zero with `skip = s mod 2^gap_bits`. The zeros at the end take no entry. A
    negative zero counts as zero, and comes back as a positive one.

    Han et al., Deep Compression, arXiv:1510.00149, section 2.

    Raises:
        ValueError: the array is not flat, or `gap_bits` is not in 1..32.
    """
    if values.ndim != 1 or not 1 <= gap_bits <= MAXIMUM_BITS:
        raise ValueError(f"a flat array and 1..32 bits were expected, {values.ndim} axes and {gap_bits} bits came")
    positions = np.flatnonzero(values)
    zeros_before = np.diff(positions, prepend=-1) - 1
    last_of_gap = np.cumsum((zeros_before >> gap_bits) + 1) - 1
    count = int(last_of_gap[-1]) + 1 if positions.size else 0
    skips = np.full(count, (1 << gap_bits) - 1, np.uint32)
    skips[last_of_gap] = zeros_before & ((1 << gap_bits) - 1)
    entries = np.zeros(count, values.dtype)
    entries[last_of_gap] = values[positions]
    return RelativeIndex(skips, entries, values.size)


def decode(index: RelativeIndex) -> np.ndarray:
    """Return the flat array: entry e at position `sum_{i <= e} (skip_i + 1) - 1`, zeros elsewhere.

    The length is the caller's to bound.

    Raises:
        ModelFileError: an entry lies behind the end, or entries and skips differ in number.
    """
    positions = np.cumsum(index.skips.astype(np.int64) + 1) - 1
    if index.skips.shape != index.entries.shape or (positions.size and positions[-1] >= index.length):
        raise ModelFileError(
            f"A relative index of {index.skips.size} steps and {index.entries.size} entries "
            f"does not fit an array of {index.length} elements.",
            hint="The file is damaged; write it again.",
        )
    values = np.zeros(index.length, index.entries.dtype)
    values[positions] = index.entries
    return values
