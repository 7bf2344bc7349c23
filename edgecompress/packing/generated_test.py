"""Kernels that a method generated are found in both formats' layouts, and cost what generates them."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
import pytest

from edgecompress.errors import PackedFileError
from edgecompress.numerics.generated.vector_codebook import VectorCodebook
from edgecompress.numerics.hashing import hashed_index, hashed_sign
from edgecompress.packing.choosing.generated import layout, pack_generated
from edgecompress.packing.container import unpack, unpack_body
from edgecompress.packing.generators import Generator, Hashed, Vectors
from edgecompress.packing.pack import pack_files
from edgecompress.packing.regions.region import Region
from edgecompress.packing.wire import Writer
from edgecompress.testing.tflite_files import T, build

RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.normal(size=50).astype(np.float32)
HASHED = Hashed("fc", WEIGHTS, 7, (40, 30))
CONVOLVED = Hashed("conv", WEIGHTS, 9, (72, 16))
VECTORS = Vectors(
    "fc", RANDOM.normal(size=(2, 6, 16, 4)).astype(np.float32), RANDOM.integers(0, 16, (2, 6, 60)).astype(np.uint8)
)
GENERATORS = [(HASHED, (40, 30)), (CONVOLVED, (3, 3, 8, 16)), (VECTORS, (24, 60))]


def kernel(generator: Generator) -> np.ndarray:
    """The matrix [inputs, outputs], by each paper's formula."""
    if isinstance(generator, Hashed):
        shape = generator.matrix_shape
        index = hashed_index(shape, buckets=len(generator.weights), seed=generator.seed)
        return generator.weights[index] * hashed_sign(shape, seed=generator.seed)
    assert isinstance(generator, Vectors)
    return np.ascontiguousarray(VectorCodebook(generator.codebooks, generator.indices).decode().T)


@pytest.mark.parametrize(("generator", "shape"), GENERATORS, ids=["hashed", "hashed convolution", "vectors"])
@pytest.mark.parametrize("order", ["keras", "tflite", "onnx"])
def test_a_kernel_is_found_in_the_layout_of_each_format(
    generator: Generator, shape: tuple[int, ...], order: str
) -> None:
    made = kernel(generator).reshape(shape)
    axes = {
        ("keras", 2): (0, 1), ("tflite", 2): (1, 0), ("onnx", 2): (0, 1),
        ("keras", 4): (0, 1, 2, 3), ("tflite", 4): (3, 0, 1, 2), ("onnx", 4): (3, 2, 0, 1),
    }[order, made.ndim]  # fmt: skip
    stored = np.ascontiguousarray(made.transpose(axes))
    tensors = [T(stored.shape, data=stored, name="kernel"), T([40], data=RANDOM.normal(size=40).astype(np.float32))]
    content = build([*tensors, T([1])], [])
    packed = pack_files({"m.tflite": content}, generators=(generator,))
    assert unpack(packed.data) == content and not packed.notes
    (found,) = [each for each in packed.tensors if each.coding.startswith("generated")]
    parameters = WEIGHTS.nbytes if isinstance(generator, Hashed) else VECTORS.codebooks.nbytes + VECTORS.indices.nbytes
    assert found.raw_bytes == stored.nbytes and found.packed_bytes < parameters + 120
    assert found.packed_bytes < stored.nbytes


def test_one_that_does_not_match_is_noted_and_nothing_is_lost() -> None:
    stored = kernel(HASHED).copy()
    stored[3, 4] = np.nextafter(stored[3, 4], np.float32(9))
    content = build([T(stored.shape, data=stored), T([1])], [])
    packed = pack_files({"m.tflite": content}, generators=(HASHED, replace(HASHED, name="other", seed=8)))
    assert unpack(packed.data) == content
    assert packed.notes == (
        "fc is no tensor of the file, bit by bit: it is not generated.",
        "other is no tensor of the file, bit by bit: it is not generated.",
    )


def test_a_kernel_that_lies_there_twice_is_generated_twice_by_two() -> None:
    stored = kernel(HASHED)
    content = build([T(stored.shape, data=stored, name="a"), T(stored.shape, data=stored, name="b"), T([1])], [])
    packed = pack_files({"m": content}, generators=(HASHED, HASHED))
    assert unpack(packed.data) == content
    assert sum(each.coding.startswith("generated") for each in packed.tensors) == 2


def body(generator: Generator = HASHED) -> bytes:
    content = kernel(generator).tobytes()
    axes = layout(generator, Region(0, len(content), 4, "t", "float32", generator.matrix_shape, True), content)
    assert axes is not None
    packed = pack_generated(generator, axes)
    assert unpack_body(packed, len(content)) == content
    return packed


def written(*numbers: int, after: bytes = b"") -> bytes:
    """Kind 2, then: generator, axes, and for each length and two strides."""
    writer = Writer()
    for number in (2, *numbers):
        writer.number(number)
    return bytes(writer.parts) + after


@pytest.mark.parametrize(
    ("packed", "size_bytes", "told"),
    [
        (written(2), 16, "2 where at most 1"),
        (written(1, 7), 16, "7 where at most 6"),
        (written(1, 1, 5, 1, 0), 16, "5 elements where 16 bytes belong"),
        (written(1, 1, 0, 1, 0), 0, "0 elements"),
        (written(1, 1, 4, 0, 1, 7, 0), 16, "no hashed weights"),
        (written(1, 1, 4, 0, 1, 1 << 32, 1), 16, "at most 4294967295"),
        (written(1, 1, 4, 0, 1, 7, 1 << 21), 16, "at most 1048576"),
        (written(0, 1, 4, 0, 1, 0, 1, 1, 1, 1), 16, "codebooks of 0"),
        (written(0, 1, 4, 0, 1, 16, 1 << 24, 256, 1 << 24, 1 << 24), 16, "codebooks of"),
    ],
)
def test_segments_that_contradict_themselves_are_refused(packed: bytes, size_bytes: int, told: str) -> None:
    with pytest.raises(PackedFileError, match=told):
        unpack_body(packed, size_bytes)


def test_a_place_outside_of_the_matrix_is_refused() -> None:
    packed = bytearray(body(VECTORS))
    assert packed[:9] == bytes([2, 0, 2, 24, 1, 0, 60, 0, 1])  # kind, generator, axes; 24 rows, 60 columns
    packed[4] = 2
    with pytest.raises(PackedFileError, match="reaches row"):
        unpack_body(bytes(packed), 24 * 60 * 4)


def test_every_shortened_segment_is_refused() -> None:
    for generator in (HASHED, VECTORS):
        whole = body(generator)
        for length in range(1, len(whole)):
            with pytest.raises(PackedFileError):
                unpack_body(whole[:length], 4 * prod(generator.matrix_shape))
        with pytest.raises(PackedFileError):
            unpack_body(whole + b"\0", 4 * prod(generator.matrix_shape))
