"""Writing a coding and reading it again, which the tests of all codings do; and what a segment may spend."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import PackedFileError
from edgecompress.packing.codings import KINDS, Codebook, Coding, Fill, Raw, Sparse
from edgecompress.packing.codings.base import MAX_BYTES, MAX_DEPTH
from edgecompress.testing.codings import Parts, decoded, parts, read


def test_kinds_are_unique_and_known_by_their_numbers() -> None:
    assert sorted(KINDS) == list(range(10))
    assert all(each.kind == number for number, each in KINDS.items())


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(PackedFileError, match="no coding 10"):
        read(b"\x0a", b"", 4)


def nested(depth: int) -> Coding:
    """Codebooks of one element, whose only index is one again."""
    coding: Coding = Fill(b"\0")
    for _ in range(depth):
        coding = Codebook(1, 1, Raw(b"x"), coding)
    return coding


def test_codings_are_nested_to_a_limit() -> None:
    assert decoded(nested(1), 1) == b"x"
    parts(nested(MAX_DEPTH)).source().coding(1)
    for depth in (MAX_DEPTH + 1, 200):
        with pytest.raises(PackedFileError, match=f"at depth {MAX_DEPTH + 1}"):
            parts(nested(depth)).source().coding(1)


def test_too_many_bytes_or_steps_are_refused_before_they_are_made() -> None:
    fill = Fill(b"\0")
    assert len(parts(fill).source().coding(MAX_BYTES).decode(MAX_BYTES)) == MAX_BYTES
    with pytest.raises(PackedFileError, match="too much memory"):
        parts(fill).source().coding(MAX_BYTES + 1)
    together = Parts()
    for _ in range(6):
        fill.write_inside(together.parameters, together.payloads)
    source = together.source()
    for _ in range(4):
        source.coding(MAX_BYTES)
    with pytest.raises(PackedFileError, match="too much memory"):
        source.coding(1)
    with pytest.raises(PackedFileError, match="or time"):
        source.spend(steps=1 << 30)


def test_a_coding_of_nothing_is_no_exception() -> None:
    """What a mask without places leaves is an array of 0 bytes, in any coding that a file may ask for."""
    for inside in (Raw(b""), Fill(b"abcd")):
        sparse = Sparse(4, (b"hole",), 0, Fill(b"\0"), inside)
        assert decoded(sparse, 8) == b"holehole"
    assert np.frombuffer(b"", np.uint8).size == 0
