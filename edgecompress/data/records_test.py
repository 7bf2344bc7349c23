"""Arrays as records: chosen by rows, given back as they were, and refused where they are not what an input takes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.data.intake import fitted, model_inputs
from edgecompress.data.records import are_records, arrays_of, as_records
from edgecompress.errors import DataError
from edgecompress.values import Arrays, Preprocessing, TensorSpec

INPUTS = (TensorSpec("series", (1, -1, 2), "float32"), TensorSpec("word", (1,), "int32"))


@given(st.integers(1, 5), st.integers(1, 4), st.data())
def test_rows_come_back_as_they_were(count: int, steps: int, data: st.DataObject) -> None:
    generator = np.random.default_rng(0)
    series, words = generator.normal(size=(count, steps, 2)).astype(np.float32), generator.integers(0, 9, count)
    records = as_records([series, words], INPUTS, "here")
    assert are_records(records) and len(records) == count
    chosen = np.array(data.draw(st.lists(st.integers(0, count - 1), min_size=1)))
    found = model_inputs(fitted(records[chosen], Arrays(INPUTS)), Arrays(INPUTS))
    assert found[0].tobytes() == series[chosen].tobytes() and found[1].tolist() == words[chosen].tolist()
    assert [each.dtype for each in arrays_of(records)] == [np.float32, np.int32]


def test_images_go_their_own_way() -> None:
    images = np.full((2, 4, 4, 1), 255, np.uint8)
    assert not are_records(images)
    (scaled,) = model_inputs(images, Preprocessing(4, 4, 1, scale=(1 / 255,), offset=(0.0,)))
    assert scaled.dtype == np.float32 and (scaled == 1).all()


def test_what_is_finite_in_double_alone_is_refused() -> None:
    with pytest.raises(DataError, match="'series' are not finite in float32"):
        as_records([np.full((2, 3, 2), 1e300), np.zeros(2, int)], INPUTS, "here")
