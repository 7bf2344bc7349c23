"""Model files to a packed file: regions, segments, the smallest coding of each array."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from edgecompress.errors import PackedFileError
from edgecompress.formats.tflite.tables import IDENTIFIER
from edgecompress.packing.choosing.array import Array, coded_bytes, payload_bytes, smallest
from edgecompress.packing.choosing.generated import layout, pack_generated
from edgecompress.packing.codings import Coding
from edgecompress.packing.codings.base import MAX_BYTES, Work
from edgecompress.packing.container import unpack_body
from edgecompress.packing.generators import Generator
from edgecompress.packing.grouping import Group, group, product
from edgecompress.packing.header import (
    MAX_PACKED_BYTES,
    MAX_SEGMENT_BYTES,
    MAX_SOLID_BYTES,
    Header,
    PackedFile,
    SegmentPlace,
    content_hash,
    read_header,
    write_compact,
    write_header,
)
from edgecompress.packing.lzma_streams import stream_bytes
from edgecompress.packing.regions import onnx, tflite
from edgecompress.packing.regions.region import Region, tiles, without_overlaps
from edgecompress.packing.segment import MAX_PIECES, STORED, Piece, pack_segment, pack_solid
from edgecompress.progress import Progress, silent

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
class _Log:
    tensors: list[PackedTensor] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    rest_bytes: int = 0

    def packed(self, data: bytes) -> Packed:
        coded = sum(tensor.packed_bytes for tensor in self.tensors)
        return Packed(data, tuple(self.tensors), self.rest_bytes, len(data) - coded, tuple(self.notes))


def pack(content: bytes, *, name: str = "model", generators: tuple[Generator, ...] = ()) -> bytes:
    """Return a packed file of one model; see `pack_files`."""
    return pack_files({name: content}, generators=generators).data


def pack_files(
    files: dict[str, bytes], *, generators: tuple[Generator, ...] = (), on_progress: Progress = silent
) -> Packed:
    """Return a packed file of a model, the first of `files`, and of those that its tensors lie in.

    Constant tensors are found in `.tflite` and `.onnx` content, whatever the name; everything else is compressed as it
    is. What a generator gives bit by bit costs its parameters only. The result was unpacked and compared.
    """
    content = b"".join(files.values())
    with ThreadPoolExecutor(1) as pool:  # LZMA lets go of Python meanwhile
        solid = pool.submit(_solid, content)
        parts, log = _by_tensor(files, content, generators, on_progress)
        alone = solid.result()
    may_be_smaller = len(parts) != 1 or sum(len(bodies[0]) for _, bodies in alone) < len(parts[0][1])
    whole = [
        (len(part), next(each for each in bodies if _unpacks(each, part)))
        for part, bodies in (alone if may_be_smaller else ())
    ]
    return min(_candidates(files, content, parts, log, whole), key=lambda each: len(each.data))


def _by_tensor(
    files: dict[str, bytes], content: bytes, generators: tuple[Generator, ...], on_progress: Progress
) -> tuple[list[tuple[int, bytes]], _Log]:
    """Return the segments, each with its size unpacked; none where there are no tensors."""
    log = _Log()
    regions = without_overlaps(_regions(files, log), len(content))
    work = Work.of(len(content))
    bodies: list[tuple[int, bytes]] = []
    parts = _parts(regions, generators, content, log)
    for part in parts:
        if regions:
            body = _checked(part, content, work, log)
            bodies.append((part.end - part.start, body))
        on_progress("packing", part.end, len(content))
    return bodies, log


def _solid(content: bytes) -> list[tuple[bytes, list[bytes]]]:
    """Return the content in parts as long as may be, each with its segments without tensors, the smallest first."""
    cuts = range(0, len(content), MAX_SOLID_BYTES)
    parts = [content[start : start + MAX_SOLID_BYTES] for start in cuts]
    return [(part, sorted(_alone(part), key=len)) for part in parts]


def _alone(part: bytes) -> Iterator[bytes]:
    """Yield segments of bytes of which nothing is known."""
    yield bytes([STORED]) + part
    yield pack_solid(part)
    if len(part) <= MAX_SEGMENT_BYTES:
        coding = smallest(Array(np.frombuffer(part, np.uint8), 1))
        yield pack_segment(part, [Piece(0, len(part), 0)], [coding])


def _unpacks(body: bytes, part: bytes) -> bool:
    with suppress(PackedFileError):
        return unpack_body(body, len(part)) == part
    return False


def _candidates(
    files: dict[str, bytes],
    content: bytes,
    by_tensor: list[tuple[int, bytes]],
    log: _Log,
    solid: list[tuple[int, bytes]],
) -> Iterator[Packed]:
    """Yield what to choose from: tensor by tensor and as one stream, with the head and with the compact one."""
    plain = _Log(notes=log.notes, rest_bytes=len(content))
    if log.tensors:
        plain.notes = [
            *log.notes,
            "One stream of all bytes is smaller than the tensors by themselves: they are not told apart.",
        ]
    held = tuple(PackedFile(name, len(data), content_hash(data)) for name, data in files.items())
    ways = [each for each in ((by_tensor, log), (solid, plain)) if each[0]] or [([], plain)]  # of nothing, no segments
    for parts, made in ways:
        places = tuple(SegmentPlace(size, len(body), zlib.crc32(body)) for size, body in parts)
        head = write_header(Header(held, places))
        bodies = b"".join(body for _, body in parts)
        read_header(head + bodies)  # raises where a name could not be read again
        yield made.packed(head + bodies)
        if len(files) == 1 and len(parts) <= 1:
            yield made.packed(write_compact(next(iter(files)), content, bodies))


def _checked(part: _Generated | _Ordinary, content: bytes, work: Work, log: _Log) -> bytes:
    """Return the segment if it unpacks to the same bytes, with the steps that are left, else one without tensors."""
    own, left, made = content[part.start : part.end], Work(work.steps), _Log()
    body = part.pack(content, made)
    try:
        if unpack_body(body, len(own), work=left) == own:
            work.steps = left.steps
            log.tensors += made.tensors
            log.rest_bytes += made.rest_bytes
            return body
        reason = "it did not unpack to the same bytes"
    except PackedFileError as error:
        reason = error.message
    log.rest_bytes += len(own)
    log.notes.append(f"{len(own)} bytes are compressed as they are: {reason}")
    return pack_segment(own, [], [], mixes=False)


def _regions(files: dict[str, bytes], log: _Log) -> list[Region]:
    """Return the regions of all files, counted from the beginning of the first."""
    starts, start = {}, 0
    for name, data in files.items():
        starts[name] = start
        start += len(data)
    found: list[Region] = []
    model = next(iter(files))
    content = files[model]
    if content[4:8] == IDENTIFIER:
        found = tflite.find(content)
    else:
        found, external = onnx.find(content)
        for place in external:
            if place.region is not None and place.location in starts:
                found.append(_moved(place.region, starts[place.location]))
    if not found:
        log.notes.append(f"No constant tensors were found in '{model}': it is compressed as it is.")
    return found


def _moved(region: Region, offset: int) -> Region:
    return replace(region, start=region.start + offset)


@dataclass(frozen=True)
class _Generated:
    """A segment of one tensor that a generator gives."""

    region: Region
    generator: Generator
    body: bytes

    @property
    def start(self) -> int:
        return self.region.start

    @property
    def end(self) -> int:
        return self.region.end

    def pack(self, content: bytes, log: _Log) -> bytes:
        region, words = self.region, self.generator.words
        log.tensors.append(
            PackedTensor(region.name, region.dtype, region.shape, region.size_bytes, len(self.body), words)
        )
        return self.body


@dataclass(frozen=True)
class _Ordinary:
    """A segment of regions and what lies between them."""

    start: int
    end: int
    regions: tuple[Region, ...]

    def pack(self, content: bytes, log: _Log) -> bytes:
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
    ) -> tuple[bytes, _Log]:
        """Return the segment with these regions coded and all else as its rest; `known` is what was coded before."""
        log = _Log()
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


def _parts(
    regions: list[Region], generators: tuple[Generator, ...], content: bytes, log: _Log
) -> list[_Generated | _Ordinary]:
    """Cut the content into segments: whole tensors where they fit, rows of them where not."""
    cutter, unused = _Cutter(), list(generators)
    for region in regions:
        found = next(((each, axes) for each in unused if (axes := layout(each, region, content)) is not None), None)
        body = pack_generated(*found) if found else b""
        if found and len(body) <= min(region.size_bytes, MAX_PACKED_BYTES):
            unused.remove(found[0])
            cutter.cut(region.start)
            cutter.parts.append(_Generated(region, found[0], body))
            cutter.start = region.end
        else:
            cutter.add(region)
    cutter.cut(len(content))
    log.notes += [f"{each.name} is no tensor of the file, bit by bit: it is not generated." for each in unused]
    return cutter.parts


class _Cutter:
    """Fills segments one after another."""

    def __init__(self) -> None:
        self.parts: list[_Generated | _Ordinary] = []
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
        self.parts.append(_Ordinary(self.start, end, tuple(self.held)))
        self.start, self.held = end, []
