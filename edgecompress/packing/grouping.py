"""From regions of a segment to arrays: small tensors of a kind become one; scales that follow from others are found."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from edgecompress.packing.codings import Coding, Product
from edgecompress.packing.codings.float_product import multiply
from edgecompress.packing.codings.product import Factor
from edgecompress.packing.regions.region import Region

SMALL_BYTES = 2048  # below this a tensor of its own would spend more on learning its statistics than it gains
MIN_PAIRED = 8  # elements; fewer are not worth the search
MAX_STEPS_APART = 127
SPREAD = 1e-5  # of quotients that are one factor up to rounding


@dataclass(frozen=True)
class Group:
    """Regions, in the order of the file, that are coded as one array; `follows` says of which others they follow."""

    regions: tuple[Region, ...]
    follows: tuple[Following, ...] = ()


@dataclass(frozen=True)
class Following:
    """A vector that is another one times a factor, up to some steps between neighbouring float32 numbers."""

    region: Region
    reference: Region
    factor: bytes
    steps: np.ndarray  # int8


def group(regions: list[Region], content: bytes) -> list[Group]:
    """Return the groups; what follows from another group comes last."""
    following = _following(regions, content)
    apart = {each.region for each in following}
    small: dict[tuple[int, bool, int, bool], list[Region]] = defaultdict(list)
    groups = []
    for region in regions:
        if region in apart:
            continue
        if region.size_bytes < SMALL_BYTES or _is_vector(region):
            small[region.width, region.is_float, region.bits, len(region.shape) < 2].append(region)
        else:
            groups.append(Group((region,)))
    groups += [Group(tuple(together)) for together in small.values()]
    return groups + ([Group(tuple(each.region for each in following), tuple(following))] if following else [])


def product(each: Group, groups: list[Group], codings: list[Coding], steps: Coding) -> Product:
    """Return the coding of a group that follows from another, given those before it and that of its steps."""
    array = next(i for i, other in enumerate(groups) if each.follows[0].reference in other.regions)
    starts, start = {}, 0
    for region in groups[array].regions:
        starts[region] = start // region.width
        start += region.size_bytes
    factors = tuple(Factor(len(follows.steps), starts[follows.reference], follows.factor) for follows in each.follows)
    return Product(array, codings[array], start, factors, steps)


def _is_vector(region: Region) -> bool:
    return region.is_float and region.width == 4 and len(region.shape) == 1 and region.size_bytes >= 4 * MIN_PAIRED


def _floats(region: Region, content: bytes) -> np.ndarray:
    return np.frombuffer(content, "<f4", region.size_bytes // 4, region.start)


def _following(regions: list[Region], content: bytes) -> list[Following]:
    """Return the vectors that follow from another, which itself follows from none, in the order of the file."""
    vectors = [region for region in regions if _is_vector(region)]
    of_length: dict[int, list[Region]] = defaultdict(list)
    for region in vectors:
        of_length[region.size_bytes].append(region)
    with np.errstate(invalid="ignore"):  # signalling NaNs become quiet
        heads = {
            length: np.stack([_floats(region, content)[:MIN_PAIRED] for region in alike]).astype(np.float64)
            for length, alike in of_length.items()
        }
    found: list[Following] = []
    apart: set[Region] = set()
    used: set[Region] = set()
    for region in vectors:
        if region in used:
            continue
        values, alike = _floats(region, content), of_length[region.size_bytes]
        for index in _near(heads[region.size_bytes], values[:MIN_PAIRED]):
            reference = alike[index]
            free = reference != region and reference not in apart and reference not in used
            fit = _factor(_floats(reference, content), values) if free else None
            if fit is not None:
                found.append(Following(region, reference, *fit))
                apart.add(region)
                used.add(reference)
                break
    return found


def _near(heads: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return which of many vectors may be a multiple, by their first elements: files may hold thousands."""
    with np.errstate(all="ignore"):
        quotients = values / heads
        return np.flatnonzero(np.ptp(quotients, axis=1) <= SPREAD * np.abs(quotients[:, 0]))


def _factor(first: np.ndarray, second: np.ndarray) -> tuple[bytes, np.ndarray] | None:
    with np.errstate(all="ignore"):
        quotients = second.astype(np.float64) / first
    if not np.isfinite(quotients).all() or np.ptp(quotients) > SPREAD * abs(quotients[0]) or not quotients[0]:
        return None
    best = None
    middle = np.float32(np.median(quotients))
    for factor in (np.nextafter(middle, np.float32(-np.inf)), middle, np.nextafter(middle, np.float32(np.inf))):
        apart = second.view("<i4").astype(np.int64) - multiply(first, factor).view("<i4")
        if np.abs(apart).max() <= MAX_STEPS_APART and (best is None or np.abs(apart).sum() < np.abs(best[1]).sum()):
            best = np.array(factor, "<f4").tobytes(), apart.astype(np.int8)
    return best
