"""The parts that content is packed in: segments of whole tensors, or of rows of them, and of what lies between."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edgecompress.packing.choosing.array import Array, coded_bytes, payload_bytes, smallest
from edgecompress.packing.choosing.generated import layout, pack_generated
from edgecompress.packing.codings import Coding
from edgecompress.packing.codings.base import MAX_BYTES
from edgecompress.packing.generators import Generator
from edgecompress.packing.grouping import Group, group, product
from edgecompress.packing.header import (
    MAX_PACKED_BYTES,
    MAX_SEGMENT_BYTES,
)
from edgecompress.packing.lzma_streams import stream_bytes
from edgecompress.packing.regions.region import Region, tiles
from edgecompress.packing.segment import MAX_PIECES, Piece, pack_segment

NEARLY = 1.05  # what quick LZMA makes so much of may be smaller by thorough LZMA


@dataclass(frozen=True)
class PackedTensor:
    """What became of a tensor, or of a part of it, or of several small ones together."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    raw_bytes: int
    packed_bytes: int  # without its part of the directory, which is compressed as a whole
    coding: str


@dataclass(frozen=True)
class Packed:
    """A packed file, and how it came about."""

    data: bytes
    tensors: tuple[PackedTensor, ...]
    rest_bytes: int  # of the files that belong to no tensor
    packed_rest_bytes: int  # with heads and directories
    notes: tuple[str, ...]  # what was kept as it is, or not generated, and why


@dataclass
class Log:
    """What became of the tensors, and of all else, of what was packed so far."""

    tensors: list[PackedTensor] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rest_bytes: int = 0

    def packed(self, data: bytes) -> Packed:
        """Return the packed file that this is the log of."""
        coded = sum(tensor.packed_bytes for tensor in self.tensors)
        return Packed(data, tuple(self.tensors), self.rest_bytes, len(data) - coded, tuple(self.notes))


@dataclass(frozen=True)
class GeneratedPart:
    """A segment of one tensor that a generator gives."""

    region: Region
    generator: Generator
    body: bytes

    @property
    def start(self) -> int:
        """Where it begins in the content."""
        return self.region.start

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.region.end

    def pack(self, content: bytes, log: Log) -> bytes:
        """Return the segment that the generator gives."""
        region, words = self.region, self.generator.words
        log.tensors.append(
            PackedTensor(region.name, region.dtype, region.shape, region.size_bytes, len(self.body), words)
        )
        return self.body


@dataclass(frozen=True)
class OrdinaryPart:
    """A segment of regions and what lies between them."""

    start: int
    end: int
    regions: tuple[Region, ...]

    def pack(self, content: bytes, log: Log) -> bytes:
        """Return the segment with what is smaller so in the rest, where LZMA finds what repeats, if that is smaller."""
        known: dict[tuple[Region, ...], Coding] = {}
        chosen = self.regions
        body = self._packed(chosen, content, known, mixes=False)[0]
        left = {
            region
            for regions, coding in known.items()
            if stream_bytes(_joined(regions, content)) < coded_bytes(coding) * NEARLY
            for region in regions
        }
        if left:
            kept = tuple(region for region in self.regions if region not in left)
            if len(self._packed(kept, content, known, mixes=False)[0]) < len(body):
                chosen = kept
        body, made = self._packed(chosen, content, known, mixes=True)
        log.tensors += made.tensors
        log.rest_bytes += made.rest_bytes
        return body

    def _packed(
        self, regions: tuple[Region, ...], content: bytes, known: dict[tuple[Region, ...], Coding], *, mixes: bool
    ) -> tuple[bytes, Log]:
        """Return the segment with these regions coded and all else as its rest; `known` is what was coded before."""
        log = Log()
        codings: list[Coding] = []
        pieces: list[Piece] = []
        groups = group(list(regions), content)
        for index, each in enumerate(groups):
            if each.follows:
                codings.append(_code(each, groups, codings, content))
            else:
                if each.regions not in known:
                    known[each.regions] = _code(each, groups, codings, content)
                codings.append(known[each.regions])
            pieces += [Piece(region.start - self.start, region.size_bytes, index) for region in each.regions]
            log.tensors.append(_logged(each, codings[-1]))
        log.rest_bytes += self.end - self.start - sum(piece.size_bytes for piece in pieces)
        ordered = sorted(pieces, key=lambda piece: piece.start)
        return pack_segment(content[self.start : self.end], ordered, codings, mixes=mixes), log


def _joined(regions: tuple[Region, ...], content: bytes) -> bytes:
    return b"".join(content[region.start : region.end] for region in regions)


def _code(each: Group, groups: list[Group], codings: list[Coding], content: bytes) -> Coding:
    if each.follows:
        steps = np.concatenate([follows.steps for follows in each.follows])
        return product(each, groups, codings, smallest(Array(steps.view(np.uint8), 1)))
    first = each.regions[0]
    data = np.frombuffer(_joined(each.regions, content), np.uint8)
    channels = first.channels if len(each.regions) == 1 else 0
    return smallest(Array(data, first.width, first.is_float, first.bits, channels))


def _logged(each: Group, coding: Coding) -> PackedTensor:
    first, more = each.regions[0], len(each.regions) - 1
    return PackedTensor(
        name=f"{first.name} and {more} more" if more else first.name,
        dtype=first.dtype,
        shape=() if more else first.shape,
        raw_bytes=sum(region.size_bytes for region in each.regions),
        packed_bytes=payload_bytes(coding),
        coding=coding.words,
    )


def parts_of(
    regions: list[Region], generators: tuple[Generator, ...], content: bytes, log: Log
) -> list[GeneratedPart | OrdinaryPart]:
    """Cut the content into segments: whole tensors where they fit, rows of them where not."""
    cutter, unused = Cutter(), list(generators)
    for region in regions:
        found = next(((each, axes) for each in unused if (axes := layout(each, region, content)) is not None), None)
        body = pack_generated(*found) if found else b""
        if found and len(body) <= min(region.size_bytes, MAX_PACKED_BYTES):
            unused.remove(found[0])
            cutter.cut(region.start)
            cutter.parts.append(GeneratedPart(region, found[0], body))
            cutter.start = region.end
        else:
            cutter.add(region)
    cutter.cut(len(content))
    log.notes += [f"{each.name} is no tensor of the file, bit by bit: it is not generated." for each in unused]
    return cutter.parts


class Cutter:
    """Fills segments one after another."""

    def __init__(self) -> None:
        self.parts: list[GeneratedPart | OrdinaryPart] = []
        self.start = 0
        self.held: list[Region] = []

    def add(self, region: Region) -> None:
        """Put a tensor into the open segment, or its rows into that and the next."""
        most_bytes = MAX_BYTES * region.bits // 8 if region.bits else MAX_SEGMENT_BYTES  # a byte a number, unpacked
        for tile in tiles(region, min(most_bytes, MAX_SEGMENT_BYTES)):
            if tile.end - self.start > MAX_SEGMENT_BYTES or len(self.held) == MAX_PIECES:
                self.cut(tile.start)
            self.held.append(tile)

    def cut(self, end: int) -> None:
        """Close the open segment at `end`, and others before it where no tensor is for longer than a segment."""
        held_end = self.held[-1].end if self.held else self.start
        while end - self.start > MAX_SEGMENT_BYTES:
            middle = self.start + MAX_SEGMENT_BYTES
            self._close(middle if middle >= held_end else held_end)
        if end > self.start:
            self._close(end)

    def _close(self, end: int) -> None:
        self.parts.append(OrdinaryPart(self.start, end, tuple(self.held)))
        self.start, self.held = end, []
