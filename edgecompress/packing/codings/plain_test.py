from __future__ import annotations

import pytest

from edgecompress.errors import PackedFileError
from edgecompress.packing.codings import Fill, Raw
from edgecompress.testing.codings import decoded, parts, read


@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256))])
def test_bytes_as_they_are(data: bytes) -> None:
    assert decoded(Raw(data), len(data)) == data


def test_fewer_bytes_than_asked_for_are_refused() -> None:
    with pytest.raises(PackedFileError, match="ends 2 bytes too early"):
        parts(Raw(b"abc")).source().coding(5)


@pytest.mark.parametrize("element", [b"a", b"ab", b"\0\0\x80\x3f", b"0123456789abcdef"])
def test_one_element_again_and_again(element: bytes) -> None:
    assert decoded(Fill(element), 3 * len(element)) == 3 * element
    assert decoded(Fill(element), 0) == b""


@pytest.mark.parametrize(("element", "size_bytes"), [(b"ab", 5), (b"", 4), (b"x" * 17, 34), (b"x" * 16, 8)])
def test_an_element_that_does_not_fit_is_refused(element: bytes, size_bytes: int) -> None:
    with pytest.raises(PackedFileError, match="damaged"):
        read(bytes([Fill.kind, len(element)]) + element, b"", size_bytes)
