"""Model files to a packed file: regions, segments, the smallest coding of each array."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import numpy as np

from edgecompress.errors import PackedFileError
from edgecompress.formats.tflite.tables import IDENTIFIER
from edgecompress.packing.choosing.array import Array, smallest
from edgecompress.packing.codings.base import Work
from edgecompress.packing.container import unpack_body
from edgecompress.packing.generators import Generator
from edgecompress.packing.header import (
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
from edgecompress.packing.parts import (
    GeneratedPart,
    Log,
    OrdinaryPart,
    Packed,
    parts_of,
)
from edgecompress.packing.regions import onnx, tflite
from edgecompress.packing.regions.region import Region, without_overlaps
from edgecompress.packing.segment import STORED, Piece, pack_segment, pack_solid
from edgecompress.progress import Progress, silent


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
) -> tuple[list[tuple[int, bytes]], Log]:
    """Return the segments, each with its size unpacked; none where there are no tensors."""
    log = Log()
    regions = without_overlaps(_regions(files, log), len(content))
    work = Work.of(len(content))
    bodies: list[tuple[int, bytes]] = []
    parts = parts_of(regions, generators, content, log)
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
    log: Log,
    solid: list[tuple[int, bytes]],
) -> Iterator[Packed]:
    """Yield what to choose from: tensor by tensor and as one stream, with the head and with the compact one."""
    plain = Log(notes=log.notes, rest_bytes=len(content))
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


def _checked(part: GeneratedPart | OrdinaryPart, content: bytes, work: Work, log: Log) -> bytes:
    """Return the segment if it unpacks to the same bytes, with the steps that are left, else one without tensors."""
    own, left, made = content[part.start : part.end], Work(work.steps), Log()
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


def _regions(files: dict[str, bytes], log: Log) -> list[Region]:
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
