from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.packing.regions.region import MIN_REGION_BYTES, Region, tiles, without_overlaps


def region(start: int, size_bytes: int, shape: tuple[int, ...] = (), width: int = 4, bits: int = 0) -> Region:
    return Region(start, size_bytes, width, "t", "float32", shape, True, bits)


@given(st.lists(st.tuples(st.integers(-5, 300), st.integers(-3, 100))), st.integers(0, 300))
def test_what_is_kept_lies_in_the_file_in_order_and_apart(places: list[tuple[int, int]], size_bytes: int) -> None:
    kept = without_overlaps([region(*place) for place in places], size_bytes)
    end = 0
    for each in kept:
        assert end <= each.start and each.size_bytes >= MIN_REGION_BYTES and each.end <= size_bytes
        end = each.end
    assert kept or not any(
        start >= 0 and size >= MIN_REGION_BYTES and start + size <= size_bytes for start, size in places
    )


def test_the_larger_of_two_at_one_place_is_kept() -> None:
    assert without_overlaps([region(0, 20), region(0, 40), region(30, 40), region(40, 16)], 100) == [
        region(0, 40),
        region(40, 16),
    ]


@pytest.mark.parametrize(
    ("shape", "size_bytes", "bits", "channels"),
    [
        ((3, 5), 60, 0, 3),
        ((1, 2, 3, 5), 120, 0, 6),
        ((30,), 120, 0, 0),
        ((), 4, 0, 0),
        ((1, 30), 120, 0, 0),
        ((3, 5), 64, 0, 0),
        ((0, 5), 0, 0, 0),
        ((4, 6), 12, 4, 4),
        ((3, 5), 8, 4, 0),
        ((-3, -5), 60, 0, 0),
        ((1 << 62, 1 << 62), 60, 0, 0),
    ],
)
def test_channels_are_those_of_a_matrix_of_the_same_size(
    shape: tuple[int, ...], size_bytes: int, bits: int, channels: int
) -> None:
    assert region(0, size_bytes, shape, 1 if bits else 4, bits).channels == channels


@given(
    st.integers(1, 5000),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(16, 600),
    st.integers(1, 40),
    st.sampled_from([0, 4]),
)
def test_tiles_are_the_region_in_parts(size_bytes: int, width: int, most_bytes: int, rows: int, bits: int) -> None:
    whole = region(7, size_bytes, (rows, max(1, size_bytes // width // rows)), 1 if bits else width, bits)
    end = whole.start
    for tile in tiles(whole, most_bytes):
        assert tile.start == end and 0 < tile.size_bytes <= most_bytes
        end = tile.end
    assert end == whole.end


def test_tiles_are_whole_rows_where_one_fits() -> None:
    found = [(tile.size_bytes, tile.shape) for tile in tiles(region(0, 10 * 7 * 4, (10, 7)), 100)]
    assert found == [(84, (3, 7))] * 3 + [(28, (1, 7))]
    found = [(tile.size_bytes, tile.shape) for tile in tiles(region(0, 2 * 30 * 4, (2, 30)), 100)]
    assert found == [(100, (25,)), (100, (25,)), (40, (10,))]
