from __future__ import annotations

from itertools import chain

import numpy as np
import pytest

from edgecompress.packing.choosing.array import Array, smallest
from edgecompress.packing.codings import Coding, Raw
from edgecompress.packing.grouping import Group, group, product
from edgecompress.packing.regions.region import Region


def laid_out(*vectors: np.ndarray) -> tuple[list[Region], bytes]:
    regions, content = [], b"head"
    for index, each in enumerate(vectors):
        kind = each.dtype.kind == "f"
        regions.append(Region(len(content), each.nbytes, each.itemsize, f"v{index}", str(each.dtype), each.shape, kind))
        content += each.tobytes() + b"gap"
    return regions, content


def names(groups: list[Group]) -> list[list[str]]:
    return [[region.name for region in each.regions] for each in groups]


RANDOM = np.random.default_rng(0)
SCALES = RANDOM.random(16).astype(np.float32)


def test_small_tensors_of_a_kind_become_one() -> None:
    small, other = RANDOM.integers(0, 9, (2, 5)).astype(np.int8), RANDOM.integers(0, 9, (4,)).astype(np.int8)
    large = np.zeros((64, 64), np.int8)
    regions, content = laid_out(small, other, large, small, other.astype(np.int32), SCALES, SCALES[::-1].copy())
    assert sorted(names(group(regions, content))) == [["v0", "v3"], ["v1"], ["v2"], ["v4"], ["v5", "v6"]]


def followers(*vectors: np.ndarray) -> list[str]:
    """Group vectors, code each group, and compare; return those that follow from another."""
    regions, content = laid_out(*vectors)
    groups = group(regions, content)
    codings: list[Coding] = []
    following = []
    for each in groups:
        data = b"".join(content[region.start : region.end] for region in each.regions)
        if each.follows:
            steps = np.concatenate([follows.steps for follows in each.follows])
            codings.append(product(each, groups, codings, smallest(Array(steps.view(np.uint8), 1))))
            following += [region.name for region in each.regions]
        else:
            codings.append(Raw(data))
        assert codings[-1].decode(len(data)).tobytes() == data
    assert sorted(chain.from_iterable(names(groups))) == sorted(region.name for region in regions)
    return following


@pytest.mark.parametrize("factor", [0.0235, 2.0, -3.7, 1e-6])
def test_a_vector_that_follows_from_another_costs_its_factor(factor: float) -> None:
    # rounded once here, and twice with the factor as float32
    assert len(followers(SCALES, (SCALES.astype(np.float64) * factor).astype(np.float32))) == 1


def test_several_follow_from_several_places() -> None:
    others = RANDOM.random(20).astype(np.float32)
    assert len(followers(SCALES, others, others * np.float32(3), SCALES * np.float32(0.5), RANDOM.random(16))) == 2


@pytest.mark.parametrize("spoilt", [np.nan, np.inf, 0.0, -0.0, 1e-44])
def test_special_numbers_follow_from_nothing_or_exactly(spoilt: float) -> None:
    first = SCALES.copy()
    first[3] = spoilt
    followers(first, first * np.float32(3), first)


def test_what_is_used_by_another_follows_from_none_itself() -> None:
    regions, content = laid_out(*(SCALES * np.float32(factor) for factor in (1, 2, 4, 8, 16)))
    groups = group(regions, content)
    references = {each.reference for part in groups for each in part.follows}
    following = {each.region for part in groups for each in part.follows}
    assert following and not references & following
    assert sorted(chain.from_iterable(names(groups))) == [f"v{index}" for index in range(5)]


def test_thousands_of_vectors_are_compared_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing each with each would be four million divisions of arrays, which take a minute."""
    import edgecompress.packing.grouping as grouping

    compared, factor = 0, grouping._factor

    def counted(first: np.ndarray, second: np.ndarray) -> object:
        nonlocal compared
        compared += 1
        return factor(first, second) if compared < 20_000 else pytest.fail("compared each with each")

    monkeypatch.setattr(grouping, "_factor", counted)
    regions, content = laid_out(*RANDOM.random((600, 8)).astype(np.float32))
    assert len(group(regions, content)) == 1
