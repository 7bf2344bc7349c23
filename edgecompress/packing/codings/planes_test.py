from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecompress.errors import PackedFileError
from edgecompress.packing.codings import Fill, Planes, Raw
from edgecompress.packing.codings.planes import split
from edgecompress.testing.codings import decoded, read


@settings(max_examples=60)
@given(st.binary(max_size=64), st.sampled_from([2, 4, 8]), st.booleans())
def test_elements_are_put_together_again(data: bytes, width: int, rotated: bool) -> None:
    data = data[: len(data) // width * width]
    planes = split(np.frombuffer(data, f"<u{width}"), rotated=rotated)
    coding = Planes(width, rotated, tuple(Raw(plane.tobytes()) for plane in planes))
    assert decoded(coding, len(data)) == data


def test_a_rotated_float_has_its_exponent_first_and_its_sign_last() -> None:
    # -1.5 = 1 01111111 1000...: rotated left 01111111 10000000 00000000 00000001
    exponent, _, _, low = split(np.array([-1.5, 1.0], "<f4").view("<u4"), rotated=True)
    assert exponent.tolist() == [127, 127] and low.tolist() == [1, 0]


@pytest.mark.parametrize(("width", "size_bytes"), [(3, 12), (1, 12), (0, 12), (16, 32), (4, 6)])
def test_elements_that_do_not_fit_are_refused(width: int, size_bytes: int) -> None:
    with pytest.raises(PackedFileError, match="no multiple"):
        read(bytes([Planes.kind, width]) + bytes([Fill.kind, 1, 0]) * 16, b"", size_bytes)
