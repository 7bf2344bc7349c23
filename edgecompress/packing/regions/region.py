"""A region: where in a model file the elements of a constant tensor lie, and what they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

MIN_REGION_BYTES = 16  # what is smaller stays with the rest of the file


@dataclass(frozen=True)
class Region:
    """`size_bytes` from `start`, elements of `width` bytes; nothing is believed of it but that it lies in the file."""

    start: int
    size_bytes: int
    width: int  # bytes of an element
    name: str
    dtype: str
    shape: tuple[int, ...]
    is_float: bool = False
    bits: int = 0  # 2 or 4 where numbers share bytes

    @property
    def end(self) -> int:
        """Return where it ends."""
        return self.start + self.size_bytes

    @property
    def channels(self) -> int:
        """Return how many rows the tensor has as a matrix with one channel a row, or a column; 0: none."""
        rows = self.shape[0] if len(self.shape) > 1 and self.shape[0] > 1 else prod(self.shape[:-1])
        elements = self.size_bytes * 8 // self.bits if self.bits else self.size_bytes // self.width
        return rows if rows > 1 and prod(self.shape) == elements else 0


def without_overlaps(regions: list[Region], size_bytes: int) -> list[Region]:
    """Return the regions that lie in the file and not in one another, in order; the larger of two is kept."""
    kept: list[Region] = []
    for region in sorted(regions, key=lambda each: (each.start, -each.size_bytes)):
        after = kept[-1].end if kept else 0
        if region.size_bytes >= MIN_REGION_BYTES and after <= region.start and region.end <= size_bytes:
            kept.append(region)
    return kept


def tiles(region: Region, most_bytes: int) -> Iterator[Region]:
    """Yield the region, or parts of at most `most_bytes`: whole rows of the first axis where one fits."""
    if region.size_bytes <= most_bytes:
        yield region
        return
    rows = region.channels
    row_bytes = region.size_bytes // rows if rows and region.size_bytes % rows == 0 else 0
    fitting = most_bytes // row_bytes if 0 < row_bytes <= most_bytes else 0
    step = fitting * row_bytes or most_bytes - most_bytes % max(1, region.width)
    for start in range(0, region.size_bytes, step):
        size = min(step, region.size_bytes - start)
        shape = (
            (size // row_bytes, row_bytes // region.width) if fitting and not region.bits else (size // region.width,)
        )
        yield replace(region, start=region.start + start, size_bytes=size, shape=shape)
