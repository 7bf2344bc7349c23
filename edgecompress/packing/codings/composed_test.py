from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import PackedFileError
from edgecompress.packing.codings import Codebook, Fill, Packed, Raw, Sparse
from edgecompress.testing.codings import decoded, read


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16])
def test_a_codebook(width: int) -> None:
    values = np.random.default_rng(0).bytes(3 * width)
    elements = [values[index * width : (index + 1) * width] for index in (2, 0, 0, 1)]
    assert decoded(Codebook(width, 3, Raw(values), Raw(bytes([2, 0, 0, 1]))), 4 * width) == b"".join(elements)


def test_a_codebook_of_256() -> None:
    assert decoded(Codebook(1, 256, Raw(bytes(range(256))), Raw(b"\xff\x00")), 2) == b"\xff\x00"


def test_an_index_beyond_the_codebook_is_refused() -> None:
    with pytest.raises(PackedFileError, match="beyond a codebook of 2"):
        Codebook(2, 2, Raw(b"aabb"), Raw(b"\0\2")).decode(4)


@pytest.mark.parametrize("kind", [Codebook.kind, Sparse.kind])
@pytest.mark.parametrize(("width", "size_bytes"), [(3, 12), (0, 12), (4, 10), (32, 64)])
def test_elements_that_do_not_fit_are_refused(kind: int, width: int, size_bytes: int) -> None:
    with pytest.raises(PackedFileError, match="no multiple"):
        read(bytes([kind, width, 0, 0, 0, 0]), bytes(200), size_bytes)


@pytest.mark.parametrize(
    ("holes", "mask", "values", "expected"),
    [
        ((), b"\0\0", b"aabb", b"aabb"),
        ((b"--",), b"\0\1\0\1", b"aabb", b"--aa--bb"),
        ((b"++", b"--"), b"\0\1\2\1\0", b"aa", b"++--aa--++"),
        ((b"--",), b"\0\0\0", b"", b"------"),
        ((b"--",), b"\1", b"aa", b"aa"),
    ],
)
def test_holes_and_values(holes: tuple[bytes, ...], mask: bytes, values: bytes, expected: bytes) -> None:
    coding = Sparse(2, holes, len(values) // 2, Raw(mask), Raw(values))
    assert decoded(coding, len(expected)) == expected


@pytest.mark.parametrize("mask", [b"\0\0\1\1", b"\0\0\0\0", b"\0\0\1\2", b"\0\0\0\xff"])
def test_a_mask_that_shows_another_number_of_values_is_refused(mask: bytes) -> None:
    with pytest.raises(PackedFileError, match="does not show 1 values"):
        Sparse(1, (b"-",), 1, Raw(mask), Raw(b"a")).decode(4)


def test_more_holes_or_values_than_can_be_are_refused() -> None:
    with pytest.raises(PackedFileError, match="3 where at most 2"):
        read(bytes([Sparse.kind, 1, 3]) + b"abc" + bytes([1, 0, 0]), bytes(9), 4)
    with pytest.raises(PackedFileError, match="5 where at most 4"):
        read(bytes([Sparse.kind, 1, 1]) + b"-" + bytes([5, 0, 0]), bytes(9), 4)


@pytest.mark.parametrize(("bits", "numbers"), [(4, [1, 15, 0, 9, 2, 3]), (2, [1, 3, 0, 2, 2, 3, 1, 0])])
def test_numbers_that_share_bytes(bits: int, numbers: list[int]) -> None:
    together = sum(number << bits * place for place, number in enumerate(numbers))
    expected = together.to_bytes(len(numbers) * bits // 8, "little")
    assert decoded(Packed(bits, Raw(bytes(numbers))), len(expected)) == expected


@pytest.mark.parametrize("bits", [0, 1, 3, 8])
def test_other_numbers_of_bits_are_refused(bits: int) -> None:
    with pytest.raises(PackedFileError, match=f"numbers of {bits} bits"):
        read(bytes([Packed.kind, bits, Fill.kind, 1, 0]), b"", 4)


def test_numbers_with_more_bits_than_fit_lose_them_and_nothing_else() -> None:
    assert Packed(4, Raw(b"\xf1\x22")).decode(1).tobytes() == b"\x21"


def test_numbers_of_a_segment_may_not_be_more_than_a_coding_expands_to() -> None:
    with pytest.raises(PackedFileError, match="too much memory"):
        read(bytes([Packed.kind, 2, Fill.kind, 1, 0]), b"", (1 << 20) + 1)
