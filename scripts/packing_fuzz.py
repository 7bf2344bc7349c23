"""Changed packed files: each must end in an error, or in exactly the original bytes, within bounded memory and time.

Small files that use every coding are changed at random, half of them with the check sums made right again, so that
the decoders themselves are reached. Whatever another exception or another file comes of is a failure, by its number.

python scripts/packing_fuzz.py [--inputs 100000] [--seed 1] [--json models/packing_fuzz.json]
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import re
import resource
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from edgecompress.errors import PackedFileError
from edgecompress.numerics.codecs.symbol_coder import SymbolCoding
from edgecompress.packing.choosing.generated import layout, pack_generated
from edgecompress.packing.codings import (
    Codebook,
    Coding,
    Fill,
    Packed,
    Planes,
    Product,
    Raw,
    Scaled,
    ScaledCodebook,
    Sparse,
    Symbols,
)
from edgecompress.packing.codings.product import Factor
from edgecompress.packing.codings.symbols import code
from edgecompress.packing.container import unpack_files
from edgecompress.packing.generators import Generator, Hashed, Vectors
from edgecompress.packing.header import (
    Header,
    PackedFile,
    SegmentPlace,
    content_hash,
    is_compact,
    read_header,
    write_compact,
    write_header,
)
from edgecompress.packing.lzma_streams import compress_solid
from edgecompress.packing.mixed_streams import compress_mixed
from edgecompress.packing.regions.region import Region
from edgecompress.packing.segment import CODED, MIXED, NOT_COMPRESSED, SOLID, STORED, Piece, pack_segment
from edgecompress.packing.wire import Reader, Writer
from edgecompress.storage import to_json, write_text

PROCESSES = 2
CHUNK = 250
MEMORY_BYTES = 1 << 30  # beyond what Python and NumPy take themselves
EXTREMES = (0, 1, 2, 127, 128, 255, 256, 1 << 14, 1 << 20, (1 << 20) + 1, 1 << 22, 1 << 24, 1 << 32, (1 << 63) - 1)


@dataclass
class Tally:
    """What became of inputs."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest_input: int = -1

    def add(self, other: Tally) -> None:
        """Take in what became of others."""
        self.outcomes.update(other.outcomes)
        self.failures += other.failures
        if other.slowest_s > self.slowest_s:
            self.slowest_s, self.slowest_input = other.slowest_s, other.slowest_input


def main() -> None:
    """Run, print, and write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    total = Tally()
    tasks = [
        (arguments.seed, first, min(first + CHUNK, arguments.inputs)) for first in range(0, arguments.inputs, CHUNK)
    ]
    with multiprocessing.Pool(PROCESSES, initializer=limit_memory) as pool:
        for tally in pool.imap_unordered(run, tasks):
            total.add(tally)
    for outcome, count in total.outcomes.most_common():
        print(f"{count:8,}  {outcome}")
    print(f"slowest: input {total.slowest_input}, {total.slowest_s:.2f} s of processor time")
    print(f"{len(total.failures)} failures of {sum(total.outcomes.values()):,}", *total.failures[:20], sep="\n")
    if arguments.json:
        write_text(arguments.json, to_json({"seed": arguments.seed, **vars(total), "outcomes": dict(total.outcomes)}))


def limit_memory() -> None:
    """Let this process have no more than so much memory beyond what it has."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES,) * 2)


def run(task: tuple[int, int, int]) -> Tally:
    """Unpack the inputs with these numbers."""
    seed, first, last = task
    tally = Tally()
    for number in range(first, last):
        original, changed = an_input(seed, number)
        start = time.process_time()
        try:
            found = unpack_files(changed)
            if found == original:
                outcome = "the same files"
            else:  # a name has no hash of its own, and may be changed by whoever makes a new check sum
                same = list(found.values()) == list(original.values())
                outcome = "the same files by other names" if same else "OTHER FILES"
        except PackedFileError as error:
            outcome = re.sub(r"'[^']*'|\(.*\)", "'...'", re.sub(r"-?\d+", "N", error.message))
        except BaseException as error:
            outcome = f"ESCAPED {type(error).__name__}: {error}"[:120]
        taken = time.process_time() - start
        tally.outcomes[outcome] += 1
        if outcome.startswith(("OTHER", "ESCAPED")):
            tally.failures.append(f"input {number}: {outcome}")
        if taken > tally.slowest_s:
            tally.slowest_s, tally.slowest_input = taken, number
    return tally


def an_input(seed: int, number: int) -> tuple[dict[str, bytes], bytes]:
    """Return the files that a packed file held, and the packed file with changes, some with right check sums."""
    chooser = random.Random(f"{seed} {number}")
    packed = chooser.choice(originals())
    files = unpack_files(packed)
    if chooser.random() < 0.5:
        return files, changed(packed, chooser)
    header, start = read_header(packed)
    bodies = []
    for place in header.segments:
        bodies.append(packed[start : start + place.packed_bytes])
        start += place.packed_bytes
    if chooser.random() < 0.15 and not is_compact(packed):
        head = write_header(header)
        inside = changed(head[13:-4], chooser)
        whole = head[:9] + len(inside).to_bytes(4, "little") + inside
        return files, whole + zlib.crc32(whole).to_bytes(4, "little") + b"".join(bodies)
    if is_compact(packed):
        (name, content), body = next(iter(files.items())), changed(bodies[0], chooser) or b"\0"
        return files, write_compact(name, content, body)
    index = chooser.randrange(len(bodies))
    bodies[index] = changed(bodies[index], chooser) or b"\0"
    raw = [place.raw_bytes for place in header.segments]
    return files, sealed(header.files, list(zip(raw, bodies, strict=True)))


def changed(data: bytes, chooser: random.Random) -> bytes:
    """Change bytes: some bits or bytes, what is cut, put in or copied, and extreme numbers."""
    made = bytearray(data)
    for _ in range(chooser.choice((1, 1, 1, 2, 5))):
        place = chooser.randrange(min(len(made), chooser.choice((40, 200, 1 << 20)))) if made else 0
        kind = chooser.choice(("bit", "byte", "number", "cut", "insert", "splice", "remove"))
        if kind == "bit" and made:
            made[place] ^= 1 << chooser.randrange(8)
        elif kind == "byte" and made:
            made[place] = chooser.randrange(256)
        elif kind == "number":
            number = Writer()
            number.number(chooser.choice(EXTREMES) + chooser.choice((0, 0, 3)))
            made[place : place + chooser.choice((1, len(number.parts)))] = number.parts
        elif kind == "cut" and chooser.random() < 0.2:
            del made[place:]
        elif kind == "insert":
            made[place:place] = chooser.randbytes(chooser.randint(1, 6))
        elif kind == "splice" and made:
            source = chooser.randrange(len(made))
            made[place : place + chooser.randint(0, 20)] = made[source : source + chooser.randint(1, 20)]
        elif kind == "remove":
            del made[place : place + chooser.randint(1, 6)]
    return bytes(made)


def sealed(files: tuple[PackedFile, ...], bodies: list[tuple[int, bytes]]) -> bytes:
    """Return a packed file whose check sums are right."""
    places = tuple(SegmentPlace(size_bytes, len(body), zlib.crc32(body)) for size_bytes, body in bodies)
    return write_header(Header(files, places)) + b"".join(body for _, body in bodies)


@cache
def originals() -> tuple[bytes, ...]:
    """Return small packed files that use every coding, with compressed and with plain directories."""
    numbers = np.random.default_rng(0)
    parts = [_coded(coding, numbers) for coding in _codings(numbers)]
    parts += [_generated(generator) for generator in _generators(numbers)]
    parts.append((b"as it is", bytes([STORED]) + b"as it is"))
    alone = [sealed((PackedFile("m", len(raw), content_hash(raw)),), [(len(raw), body)]) for raw, body in parts]
    files = tuple(PackedFile(f"{index}.bin", len(raw), content_hash(raw)) for index, (raw, _) in enumerate(parts))
    together = sealed(files, [(len(raw), body) for raw, body in parts])
    words, few = b"a description " * 30, b"a description of few words"
    streams = [
        (words, pack_segment(words, [], [], mixes=False)),
        (words, bytes([SOLID]) + compress_solid(words)),
        (words, bytes([STORED]) + words),
        (few, bytes([MIXED]) + compress_mixed(few)),
    ]
    compact = [write_compact(name, *each) for name, each in zip(("m", "m.onnx", "m.tflite", "n"), streams, strict=True)]
    for text, mixes in ((words, False), (few, True)):  # with a compressed directory
        body = pack_segment(text + bytes(64), [Piece(len(text), 64, 0)], [Fill(b"\0")], mixes=mixes)
        streams.append((text + bytes(64), body))
    return (*alone, together, *compact, *(sealed(named(raw), [(len(raw), body)]) for raw, body in streams))


def named(content: bytes) -> tuple[PackedFile, ...]:
    """Return what a head says of one file."""
    return (PackedFile("words", len(content), content_hash(content)),)


def _codings(numbers: np.random.Generator) -> list[list[tuple[Coding, int]]]:
    """Return the arrays of some segments, each with its size in bytes."""
    noise = Raw(numbers.bytes(60))
    drawn = numbers.geometric(0.5, 120).clip(1, 6) - 1
    values = np.arange(6, dtype=np.uint8)
    plain = code(values, drawn, SymbolCoding(6, 120, 4), low_bits=0, transposed=False)
    contexts = SymbolCoding(3, 12, 2, thresholds=(300, 900), by_row=True, initial=2000)
    told = code(values, drawn, contexts, low_bits=1, transposed=True)
    gaps = code(values**2, drawn, SymbolCoding(6, 10, 2, thresholds=(1000,)), low_bits=0, transposed=False)
    mask = _symbols((numbers.random(60) < 0.2).astype(np.uint8))
    count = int(mask.decode(60).sum())
    scales = Raw(numbers.random(15).astype("<f4").tobytes())
    integers = _symbols(numbers.integers(0, 5, 60).astype(np.uint8))
    product = Product(0, scales, 60, (Factor(10, 2, b"\0\0\0\x3f"), Factor(5, 0, b"\0\0\x20\x41")), Fill(b"\1"))
    return [
        [(noise, 60), (Fill(b"abc"), 60)],
        [(plain, 120), (told, 120), (gaps, 120)],
        [(Planes(4, True, (plain, plain, Raw(numbers.bytes(120)), Fill(b"\7"))), 480)],
        [(Codebook(4, 15, scales, _symbols(numbers.integers(0, 15, 60).astype(np.uint8))), 240)],
        [(Sparse(4, (bytes(4),), count, mask, Raw(numbers.bytes(4 * count))), 240)],
        [
            (Scaled(15, 4, scales, integers, Fill(b"\0")), 240),
            (Packed(4, _symbols(numbers.integers(0, 9, 80).astype("u1"))), 40),
        ],
        [(scales, 60), (product, 60)],
        [(ScaledCodebook(15, 4, 3, scales, Raw(numbers.bytes(12)), Fill(b"\0"), _symbols(drawn[:60] % 3)), 240)],
    ]


def _symbols(data: np.ndarray) -> Symbols:
    values, indices = np.unique(data, return_inverse=True)
    coding = SymbolCoding(len(values), len(data), 2)
    return code(values, indices, coding, low_bits=0, transposed=False)


def _coded(arrays: list[tuple[Coding, int]], numbers: np.random.Generator) -> tuple[bytes, bytes]:
    """Return a segment's content and the segment, with its directory as it is: a change reaches a single number."""
    directory, payloads, rest, content = Writer(), Writer(), Writer(), Writer()
    directory.number(2 * len(arrays))
    directory.number(len(arrays))
    decoded = [Reader(coding.decode(size).tobytes(), "it") for coding, size in arrays]
    for half in range(2):
        for index, (_, size) in enumerate(arrays):
            gap = numbers.bytes(3)
            part = size // 2 if half == 0 else size - size // 2
            for number in (len(gap), index, part):
                directory.number(number)
            rest.bytes(gap)
            content.bytes(gap)
            content.bytes(decoded[index].bytes(part))
    for coding, _ in arrays:
        coding.write_inside(directory, payloads)
    whole = Writer()
    whole.byte(CODED)
    whole.number(len(directory.parts))
    whole.number(len(rest.parts))
    whole.byte(NOT_COMPRESSED)
    whole.number(len(directory.parts) + len(rest.parts))
    for part_of in (directory, rest, payloads):
        whole.bytes(part_of.parts)
    return bytes(content.parts), bytes(whole.parts)


def _generators(numbers: np.random.Generator) -> list[Generator]:
    codebooks = numbers.normal(size=(2, 3, 4, 4)).astype(np.float32)
    return [
        Hashed("h", numbers.normal(size=20).astype(np.float32), 7, (12, 10)),
        Vectors("v", codebooks, numbers.integers(0, 4, (2, 3, 20)).astype(np.uint8)),
    ]


def _generated(generator: Generator) -> tuple[bytes, bytes]:
    rows, columns = generator.matrix_shape
    content = generator.elements(*np.divmod(np.arange(rows * columns), columns)).astype("<f4").tobytes()
    axes = layout(generator, Region(0, len(content), 4, "t", "float32", (rows, columns), True), content)
    assert axes is not None
    return content, pack_generated(generator, axes)


if __name__ == "__main__":
    main()
