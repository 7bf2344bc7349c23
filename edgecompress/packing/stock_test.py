"""A packed file is never more than some bytes larger than what a stock compressor makes of the same bytes."""

from __future__ import annotations

import gzip
import lzma
import zlib

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from edgecompress.packing.container import unpack
from edgecompress.packing.header import is_compact, read_header
from edgecompress.packing.pack import Packed, pack_files
from edgecompress.testing.tflite_files import T, build

ALLOWED_BYTES = 16


def onnx_model(*arrays: np.ndarray, doc: str = "") -> bytes:
    initializers = [numpy_helper.from_array(array, f"w{index}") for index, array in enumerate(arrays)]
    return helper.make_model(helper.make_graph([], "g", [], [], initializers, doc_string=doc)).SerializeToString()


def best_stock_bytes(content: bytes) -> int:
    sizes = [len(gzip.compress(content, 9, mtime=0)), len(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))]
    return min(*sizes, *(len(zstandard.ZstdCompressor(level=level).compress(content)) for level in (19, 22)))


def compared(content: bytes) -> Packed:
    packed = pack_files({"model": content})
    assert unpack(packed.data) == content
    assert len(packed.data) <= best_stock_bytes(content) + ALLOWED_BYTES
    assert sum(tensor.packed_bytes for tensor in packed.tensors) + packed.packed_rest_bytes == len(packed.data)
    assert sum(tensor.raw_bytes for tensor in packed.tensors) + packed.rest_bytes == len(content)
    return packed


def made(kind: str) -> bytes:
    random = np.random.default_rng(3)
    normal = random.normal(size=(32, 48)).astype(np.float32)
    blocks = random.integers(-8, 8, (4, 32, 64)) * random.uniform(1e-3, 2e-3, (4, 1, 64))
    bytes_ = np.round(normal * 20).astype(np.int8)
    return {
        "no tensors": lambda: onnx_model(),
        "empty tensors": lambda: onnx_model(*[np.zeros((0, 4), np.float32)] * 5),
        "constant": lambda: build([T([40, 40], data=np.full((40, 40), 3, np.float32)), T([1])], []),
        "int4 times the scale of a block": lambda: onnx_model(blocks.astype(np.float32).reshape(128, 64)),
        "float16": lambda: onnx_model(normal.astype(np.float16)),
        "bfloat16 in float32": lambda: onnx_model((normal.view("<u4") & np.uint32(0xFFFF0000)).view("<f4")),
        "repeated": lambda: onnx_model(normal, normal, bytes_, bytes_),
        "permuted": lambda: onnx_model(normal, normal[random.permutation(32)]),
        "text": lambda: onnx_model(normal[:2], doc="A sentence about this network, which says little. " * 40),
        "sparse": lambda: onnx_model(np.where(random.random(normal.shape) < 0.9, 0, normal).astype(np.float32)),
        "int8": lambda: build([T([32, 48], "INT8", data=bytes_), T([1])], []),
        "repeated rows": lambda: onnx_model(normal[random.integers(0, 32, 300)]),
        "compressed before": lambda: onnx_model(np.frombuffer(zlib.compress(normal.tobytes()), np.uint8)),
        "several types": lambda: onnx_model(normal, normal.astype(np.float64), bytes_, random.integers(0, 99, (30, 9))),
        "a walk": lambda: np.cumsum(random.integers(-2, 3, 3000)).astype(np.uint8).tobytes(),
    }[kind]()


KINDS = [
    "no tensors", "empty tensors", "constant", "int4 times the scale of a block", "float16", "bfloat16 in float32",
    "repeated", "permuted", "text", "sparse", "int8", "repeated rows", "compressed before", "several types", "a walk",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_no_stock_compressor_is_smaller(kind: str) -> None:
    compared(made(kind))


def test_what_a_delta_filter_is_for() -> None:
    content = made("a walk")
    assert len(compared(content).data) < 0.8 * best_stock_bytes(content)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.binary(max_size=40), min_size=1, max_size=4), st.integers(1, 30), st.sampled_from(["<f4", "<f2", "i1"])
)
def test_no_stock_compressor_is_smaller_on_whatever_repeats(parts: list[bytes], times: int, dtype: str) -> None:
    compared(b"".join(parts) * times)
    values = np.frombuffer(b"".join(parts), np.uint8).astype(dtype)
    compared(onnx_model(*(np.tile(values * values.dtype.type(each), times) for each in range(1, 3))))


def test_what_repeats_farther_than_a_segment_is_found() -> None:
    """Three mebibytes of noise, twice: alone, segments would find nothing that repeats."""
    noise = np.random.default_rng(0).bytes(3 << 20)
    packed = pack_files({"m": noise + noise})
    assert unpack(packed.data) == noise + noise
    assert len(packed.data) < 1.01 * len(noise)
    header, _ = read_header(packed.data)
    assert len(header.segments) == 1


def test_floats_behind_a_head_of_text_are_found() -> None:
    """What comes first says little of what comes then: LZMA's parameters are chosen by pieces from all over."""
    content = bytes(range(256)) * 300 + np.random.default_rng(0).normal(size=1 << 16).astype("<f4").tobytes()
    assert len(compared(content).data) < 0.97 * best_stock_bytes(content)


def test_tensors_in_the_rest_stand_beside_those_that_are_coded() -> None:
    """In one segment of two files: numbers for the entropy coder, and a table that only LZMA makes small."""
    random = np.random.default_rng(0)
    table = random.normal(size=(20, 300)).astype(np.float32)[random.integers(0, 20, 60)]
    numbers = np.round(random.normal(size=(100, 500)) * 9).astype(np.int8)
    packed = pack_files({"m.onnx": onnx_model(table, numbers), "other": b""})
    assert [tensor.name for tensor in packed.tensors] == ["w1"]
    assert packed.rest_bytes > table.nbytes and len(packed.data) < 20 * 300 * 4 + 0.7 * numbers.nbytes


def test_files_of_several_segments_and_several_files_keep_names_and_whole_hashes() -> None:
    content = onnx_model(np.random.default_rng(0).normal(size=(900, 800)).astype(np.float32))
    assert not is_compact(pack_files({"net.onnx": content}).data)
    assert not is_compact(pack_files({"net.onnx": content[:900], "b": b""}).data)
    assert is_compact(pack_files({"net.onnx": content[:900]}).data)
