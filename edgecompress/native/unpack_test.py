import itertools
import lzma
import platform
import resource
import shutil
import subprocess
import zlib

import numpy as np
import pytest

from edgecompress.errors import PackedFileError
from edgecompress.native.build import MACHINES, build_unpacker
from edgecompress.numerics.codecs.symbol_coder import SymbolCoding
from edgecompress.packing.choosing.generated import pack_generated
from edgecompress.packing.codings import (
    KINDS,
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
)
from edgecompress.packing.codings.base import Work
from edgecompress.packing.codings.product import Factor
from edgecompress.packing.codings.symbols import code
from edgecompress.packing.container import unpack_body, unpack_segment
from edgecompress.packing.generators import Axis, Hashed, Vectors
from edgecompress.packing.header import Header, PackedFile, SegmentPlace, content_hash, read_header, write_header
from edgecompress.packing.lzma_streams import _decoded, _solid
from edgecompress.packing.mixed_streams import MAX_MIXED_BYTES, STEPS_PER_BYTE, compress_mixed
from edgecompress.packing.pack import pack_files
from edgecompress.packing.segment import (
    BARE,
    CODED,
    MIXED,
    NOT_COMPRESSED,
    SOLID,
    Piece,
    _decompress,
    pack_segment,
)
from edgecompress.packing.wire import Reader, Writer
from edgecompress.testing.shared import PACKED_FILES, packed_once

pytestmark = pytest.mark.skipif(platform.machine() not in MACHINES, reason=f"nothing is built for {platform.machine()}")
needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="the system has no C compiler")
FLAGS = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-ffp-contract=off")
OK, NOT_PACKED, VERSION, DAMAGED, TOO_LARGE = range(5)
MEBIBYTE, ROOM_BYTES = 1 << 20, 1 << 17


def run(words, packed, folder, **options):
    """Unpack what comes in; return the files, or the line that says why not."""
    folder.mkdir(exist_ok=True)
    target = folder / "files"
    done = subprocess.run(
        [*map(str, words), "-", str(target)], input=packed, capture_output=True, timeout=100, **options
    )
    if done.returncode:
        assert done.returncode == 1 and not done.stdout and done.stderr.count(b"\n") == 1, done.stderr
        assert not target.exists(), "nothing is left of what failed"
        return done.stderr.decode()
    found = {str(each.relative_to(target)): each.read_bytes() for each in target.rglob("*") if each.is_file()}
    shutil.rmtree(target)
    return found


def unpacked(packed, folder):
    return run([build_unpacker(platform.machine())], packed, folder)


def container(content, bodies, sizes, name="model"):
    places = tuple(SegmentPlace(size, len(body), zlib.crc32(body)) for body, size in zip(bodies, sizes, strict=True))
    file = PackedFile(name, len(content), content_hash(content))
    return write_header(Header((file,), places)) + b"".join(bodies)


def any_bytes(rng, size, alphabet=256):
    return (
        (rng.normal(size=size) * rng.uniform(0.2, 0.3 + alphabet / 8) + alphabet / 2)
        .clip(0, alphabet - 1)
        .astype(np.uint8)
    )


def any_symbols(rng, data):
    """Return bytes as symbols in a random one of all orders, contexts and alphabets."""
    present = np.unique(data)
    values = np.arange(int(present[0]), int(present[-1]) + 1).astype(np.uint8) if rng.random() < 0.5 else present
    indices = np.searchsorted(values, data)
    low = int(rng.integers(0, 8)) if rng.random() < 0.3 else 0
    widths = [width for width in range(1, len(data) + 1) if len(data) % width == 0]
    transposed = bool(rng.random() < 0.5)
    width = int(rng.choice(widths)) if transposed else int(rng.integers(1, len(data) + 1))
    ordered = indices.reshape(-1, width).T if transposed else indices
    rows = width if not transposed else len(data) // width
    alphabet = (len(values) - 1 >> low) + 1
    thresholds = np.sort(rng.integers(0, 4096 if rng.random() < 0.2 else 600, rng.integers(0, 16)))
    coding = SymbolCoding(
        alphabet, rows, 1 << int(rng.integers(0, 9)), int(rng.integers(0, 256)), int(rng.integers(0, 256)),
        tuple(int(each) for each in thresholds), int(rng.integers(0, 8)), bool(rng.random() < 0.5),
        int(rng.integers(0, 0xFF01)),
    )  # fmt: skip
    if not thresholds.size:
        coding = SymbolCoding(alphabet, rows, coding.lanes, coding.prior)
    return code(values, np.ascontiguousarray(ordered).ravel(), coding, low_bits=low, transposed=transposed)


def any_coding(rng, size, depth=0, alphabet=256):
    """Return a random coding of `size` bytes, of which those that stand for an index are below `alphabet`."""
    kinds = [Raw, Fill, "symbols"]
    if depth < 4 and size and alphabet == 256:
        kinds += [Planes] * (size % 2 == 0) + [Codebook, Sparse, Packed] + [Scaled, ScaledCodebook] * (size % 4 == 0)
    kind = kinds[rng.integers(len(kinds))]
    width = int(rng.choice([each for each in (1, 2, 4, 8, 16) if size % each == 0]))
    count, deeper = size // width, depth + 1
    if kind is Raw or not size:
        return Raw(any_bytes(rng, size, alphabet).tobytes())
    if kind is Fill:
        return Fill(any_bytes(rng, width, alphabet).tobytes())
    if kind == "symbols":
        return any_symbols(rng, any_bytes(rng, size, alphabet))
    if kind is Planes:
        width = int(rng.choice([each for each in (2, 4, 8) if size % each == 0]))
        rotated = bool(rng.random() < 0.5)
        return Planes(width, rotated, tuple(any_coding(rng, size // width, deeper) for _ in range(width)))
    if kind is Codebook:
        words = int(rng.integers(1, 257))
        return Codebook(width, words, any_coding(rng, words * width, deeper), any_coding(rng, count, deeper, words))
    if kind is Sparse:
        holes = tuple(any_bytes(rng, width).tobytes() for _ in range(rng.integers(0, 3)))
        mask = any_coding(rng, count, deeper, len(holes) + 1)
        filled = int((mask.decode(count) == len(holes)).sum())
        return Sparse(width, holes, filled, mask, any_coding(rng, filled * width, deeper))
    if kind is Packed:
        bits = int(rng.choice([2, 4]))
        return Packed(bits, any_coding(rng, size * 8 // bits, deeper))
    channels = int(rng.choice([each for each in range(1, size // 4 + 1) if size // 4 % each == 0]))
    scales = Raw(rng.normal(size=channels).astype("<f4").tobytes())
    inner = int(rng.choice([1, size // 4 // channels]))
    if kind is ScaledCodebook:
        words = int(rng.integers(1, 257 if channels < 200 else 9))
        values = Raw((rng.normal(size=words) * rng.choice([0, 1e-30, 1], words)).astype("<f4").tobytes())
        steps, indices = any_coding(rng, channels * words, deeper), any_coding(rng, size // 4, deeper, words)
        return ScaledCodebook(channels, inner, words, scales, values, steps, indices)
    parts = (any_coding(rng, size // 4, deeper) for _ in range(2))
    return Scaled(channels, inner, scales, *parts)


def any_segment(seed):
    """Return a segment of random codings in random pieces, and what it unpacks to; Python's decoder says what."""
    rng = np.random.default_rng(seed)
    codings: list[Coding] = [Fill(b"\x00\x01")]  # the room that codings need which make more of what they code
    arrays = [codings[0].decode(ROOM_BYTES)]
    for _ in range(rng.integers(1, 4)):
        size = 4 * int(rng.integers(1, 200 if rng.random() < 0.8 else 6000))
        codings.append(any_coding(rng, size))
        arrays.append(codings[-1].decode(size))
    factors = tuple(
        Factor(int(rng.integers(0, 500)), int(rng.integers(0, 500)), rng.normal(size=1).astype("<f4").tobytes())
        for _ in range(rng.integers(1, 3))
    )
    size = 4 * sum(each.count for each in factors)
    if size:
        codings.append(Product(0, codings[0], ROOM_BYTES, factors, any_coding(rng, size // 4, 1)))
        arrays.append(codings[-1].decode(size))
    order = [index for index, array in enumerate(arrays) for _ in range(rng.integers(1, 4))]
    rng.shuffle(order)
    content, pieces, taken = b"", [], [0] * len(arrays)
    for place, index in enumerate(order):
        left = len(arrays[index]) - taken[index]
        length = left if index not in order[place + 1 :] else int(rng.integers(0, left + 1))
        content += any_bytes(rng, rng.integers(0, 9), 9).tobytes()
        pieces.append(Piece(len(content), length, index))
        content += arrays[index][taken[index] : taken[index] + length].tobytes()
        taken[index] += length
    content += any_bytes(rng, rng.integers(0, 99), 9).tobytes()
    body = pack_segment(content, pieces, codings, mixes=seed % 4 == 0)
    assert body[0] == CODED
    return body, content


def plain_segment(body):
    """Return a segment with its directory as it is, so that a damaged one is still read."""
    reader, packed = Reader(body, "a segment"), Writer()
    packed.byte(reader.byte())
    directory, rest, form = reader.number(), reader.number(), reader.byte()
    plain = _decompress(form, reader.bytes(reader.number()), directory + rest, Work.of(0))
    for number in (directory, rest):
        packed.number(number)
    packed.byte(NOT_COMPRESSED)
    packed.number(len(plain))
    packed.bytes(plain)
    packed.bytes(reader.bytes(reader.left))
    return bytes(packed.parts)


def generated(seed):
    """Return segments of tensors that are generated, and what they unpack to."""
    rng = np.random.default_rng(seed)
    hashed = Hashed("a", rng.normal(size=77).astype(np.float32), int(rng.integers(1 << 32)))
    books = rng.normal(size=(2, 3, 16, 4)).astype(np.float32)
    vectors = Vectors("b", books, rng.integers(0, 16, (2, 3, 100)).astype(np.uint8))
    turned = (Axis(30, 0, 1), Axis(4, 6, 0), Axis(6, 1, 0))
    bodies = [pack_generated(hashed, turned), pack_generated(vectors, (Axis(12, 1, 0), Axis(100, 0, 1)))]
    sizes = [24 * 30 * 4, 12 * 100 * 4]
    return bodies, sizes, b"".join(unpack_body(*each) for each in zip(bodies, sizes, strict=True))


def outcome(packed):
    """Return what a decoder in one pass has written when it stops, and whether it did so because of damage."""
    try:
        header, start = read_header(packed)
    except PackedFileError:
        return None
    written, ends = b"", list(itertools.accumulate(file.size_bytes for file in header.files))
    for index, place in enumerate(header.segments):
        try:
            with np.errstate(all="ignore"):  # a damaged weight may be no number
                written += unpack_segment(header, index, packed[start : start + place.packed_bytes])
        except (PackedFileError, ValueError, RecursionError):
            return False, written
        start += place.packed_bytes
        for file, end in zip(header.files, ends, strict=True):
            if len(written) > end and not file.holds(written[end - file.size_bytes : end]):
                return False, written[:end]
    held = (file.holds(written[end - file.size_bytes : end]) for file, end in zip(header.files, ends, strict=True))
    return all(held), written


@pytest.mark.slow
@pytest.mark.parametrize("path", PACKED_FILES, ids=lambda path: path.stem)
def test_published_models_come_back_bit_by_bit(path, tmp_path):
    (found,) = unpacked(packed_once(path).data, tmp_path).values()
    assert found == path.read_bytes()


def test_every_coding_is_decoded_as_python_does(tmp_path):
    for seed in range(40):
        body, content = any_segment(seed)
        assert unpack_body(body, len(content)) == content
        assert unpacked(container(content, [body], [len(content)]), tmp_path) == {"model": content}, seed


def test_random_segments_reach_every_coding():
    def kinds(coding):
        yield type(coding)
        for value in vars(coding).values():
            for inside in value if isinstance(value, tuple) else (value,):
                if isinstance(inside, Coding):
                    yield from kinds(inside)

    rng = np.random.default_rng(0)
    seen = {kind for _ in range(60) for kind in kinds(any_coding(rng, 960))}
    assert seen == set(KINDS.values()) - {Product}, "products are in every segment"


def test_tensors_that_are_generated(tmp_path):
    for seed in range(10):
        bodies, sizes, content = generated(seed)
        assert unpacked(container(content, bodies, sizes), tmp_path) == {"model": content}


def test_several_files_in_folders_and_empty_ones(tmp_path):
    rng = np.random.default_rng(0)
    files = {"model": bytes(5000), "weights/a.bin": rng.bytes(MEBIBYTE + 7), "none": b"", "weights/b/c": b"", "z": b"1"}
    assert unpacked(pack_files(files).data, tmp_path) == files
    assert unpacked(pack_files({"": b"12345"}).data, tmp_path) == {"model": b"12345"}


def test_what_is_cut_short_at_any_byte_or_too_long_leaves_no_file(tmp_path):
    packed = pack_files({"a": bytes(300) + b"some more", "b": bytes(range(90))}).data
    assert len(unpacked(packed, tmp_path)) == 2
    for size in range(len(packed)):
        reason = "this is not a packed file" if size < 8 else "the packed file is damaged or cut short"
        assert unpacked(packed[:size], tmp_path) == f"unpack: '-': {reason}\n"
    assert "damaged" in unpacked(packed + b"0", tmp_path)
    assert "another version" in unpacked(packed[:8] + b"\2" + packed[9:], tmp_path)


def test_names_are_judged_as_python_judges_them(tmp_path):
    rng = np.random.default_rng(0)
    parts = [*"ab/.:\\ ", "..", "./", "//", "é", "語", "\0", "\n", "\x7f", "\u200b", "\u2028", "\u3000", "\ue000", "😀"]
    names = {"".join(rng.choice(parts, rng.integers(1, 6))) for _ in range(300)}
    wrong = [b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe0\x80\xaf", b"a\xff"]
    for name in sorted([*wrong, *(name.encode() for name in names)]):
        stand_in = "x" * len(name)
        file, place = PackedFile(stand_in, 1, content_hash(b"1")), SegmentPlace(1, 2, zlib.crc32(b"\x001"))
        packed = write_header(Header((file,), (place,)))[:-4].replace(stand_in.encode(), name)
        packed += zlib.crc32(packed).to_bytes(4, "little") + b"\x001"
        found = unpacked(packed, tmp_path)
        if name != b".":  # no place for a file
            assert isinstance(found, dict) == (outcome(packed) == (True, b"1")), name
        if isinstance(found, dict):
            assert found == {name.decode() or "model": b"1"}


def test_lzma_streams_are_decoded_or_refused_as_by_liblzma(tmp_path):
    rng = np.random.default_rng(0)
    outcomes = []
    for turn in range(300):
        context = int(rng.integers(0, 5))
        bits = {"lc": context, "lp": int(rng.integers(0, 5 - context)), "pb": int(rng.integers(0, 5))}
        part = any_bytes(rng, int(rng.integers(100, 2000)), int(rng.integers(2, 40))).tobytes()
        content = part * int(rng.integers(1, 9)) + part[::-1] + bytes(200)
        properties = bits["lc"] + 9 * (bits["lp"] + 5 * bits["pb"])
        if turn % 2:
            body = bytearray(bytes([SOLID, turn % 5]) + _solid(content, turn % 5, tuple(bits.values()))[1:])
        else:
            filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, **bits}]
            stream = lzma.compress(content, lzma.FORMAT_RAW, filters=filters)[1:]
            ends = (stream[:-end] for end in range(12, 0, -1))
            body = bytearray([BARE + properties])
            body += next(each for each in ends if _decoded(properties, each, len(content)) == content)
        for _ in range(turn % 3):
            at = int(rng.integers(len(body)))
            body[at : at + int(rng.integers(0, 3))] = rng.bytes(int(rng.integers(0, 3)))
        body = body or bytearray(1)
        packed = container(content, [bytes(body)], [len(content)])
        found = unpacked(packed, tmp_path)
        assert isinstance(found, dict) == (outcome(packed) == (True, content)), turn
        outcomes.append(isinstance(found, dict))
    assert 100 <= sum(outcomes) < 300


def test_mixed_streams_are_decoded_as_python_does(tmp_path):
    """Bytes of all values, words, what goes on as before for long; of any stream, damaged or not, the same bytes."""
    rng = np.random.default_rng(0)
    words = [b"weight", b"Conv2D", b"a_9", b"\0\0\0\x04", b"serving_default", rng.bytes(9), bytes(40), b"\xe9t\xe9"]
    for turn in range(16):
        content = b"".join(words[each] for each in rng.integers(0, len(words), turn + 1)) * (1 + turn % 3)
        stream = bytearray(compress_mixed(content) if turn % 2 else rng.bytes(turn))
        body = bytes([MIXED]) + bytes(stream)
        expected = unpack_body(body, len(content))
        assert turn % 2 == 0 or expected == content
        assert unpacked(container(expected, [body], [len(content)]), tmp_path) == {"model": expected}, turn


def test_mixed_streams_are_limited_in_size_and_time_as_in_python(tmp_path):
    body, size = bytes([MIXED]), MAX_MIXED_BYTES
    longest = unpack_body(body, size)
    steps = (Work.of(count * size).steps - count * size * STEPS_PER_BYTE for count in itertools.count())
    fit = next(count for count, left in enumerate(steps) if left < size * STEPS_PER_BYTE)
    assert unpacked(container(longest * fit, [body] * fit, [size] * fit), tmp_path) == {"model": longest * fit}
    more = fit + 1
    assert "damaged" in unpacked(container(longest * more, [body] * more, [size] * more), tmp_path)
    assert "damaged" in unpacked(container(longest + b"0", [body], [size + 1]), tmp_path)


def test_memory_does_not_grow_with_the_model(tmp_path):
    indices = any_bytes(np.random.default_rng(0), MEBIBYTE // 4)
    rule = SymbolCoding(256, 1 << 12, 256, thresholds=(100, 200, 400), by_row=True)
    plane = code(np.arange(256).astype(np.uint8), indices, rule, low_bits=0, transposed=True)
    coding = Planes(4, True, (plane,) * 4)
    content = coding.decode(MEBIBYTE).tobytes()
    packed = container(content * 64, [pack_segment(content, [Piece(0, MEBIBYTE, 0)], [coding])] * 64, [MEBIBYTE] * 64)
    limit = 8 * MEBIBYTE  # of all memory that the program may see, with its code and the C library's

    def limited():
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    found = run([build_unpacker(platform.machine())], packed, tmp_path, preexec_fn=limited)
    assert isinstance(found, dict) and found["model"] == content * 64, found
