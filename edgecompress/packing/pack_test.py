"""Model files of every kind come back bit for bit, small, and the same from every process."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecompress.errors import PackedFileError
from edgecompress.formats.onnx.fuzz_test import small_model
from edgecompress.formats.sizes import xz_bytes
from edgecompress.packing.codings import base
from edgecompress.packing.container import segments, unpack, unpack_files
from edgecompress.packing.files import read_model
from edgecompress.packing.header import MAX_SEGMENT_BYTES, read_header
from edgecompress.packing.pack import Packed, pack, pack_files
from edgecompress.testing.shared import PACKED_FILES, packed_once
from edgecompress.testing.tflite_files import T, build

RANDOM = np.random.default_rng(1)


def packed_and_compared(files: dict[str, bytes]) -> Packed:
    return compared(pack_files(files), files)


def compared(packed: Packed, files: dict[str, bytes]) -> Packed:
    assert list(unpack_files(packed.data).values()) == list(files.values())
    header, start = read_header(packed.data)
    assert start + sum(place.packed_bytes for place in header.segments) == len(packed.data)
    raw = sum(tensor.raw_bytes for tensor in packed.tensors)
    assert raw + packed.rest_bytes == sum(map(len, files.values()))
    assert sum(tensor.packed_bytes for tensor in packed.tensors) + packed.packed_rest_bytes == len(packed.data)
    assert packed.packed_rest_bytes >= 0 and all(tensor.packed_bytes >= 0 for tensor in packed.tensors)
    return packed


def test_directories_that_are_alike_cost_less_than_each_alone_and_no_size_is_negative() -> None:
    """Twenty-four codebooks of the same values: compressed together they take hardly more than one of them."""
    values = RANDOM.normal(size=200).astype(np.float32)
    kernels = [RANDOM.permutation(np.resize(values, 5000)) for _ in range(24)]
    packed_and_compared({"m": build([T([50, 100], data=data, name=f"w{i}") for i, data in enumerate(kernels)], [])})


@pytest.mark.slow
@pytest.mark.parametrize("path", PACKED_FILES, ids=lambda path: path.stem)
def test_published_files_come_back_smaller_than_xz_makes_them(path: Path) -> None:
    content = path.read_bytes()
    packed = compared(packed_once(path), read_model(path))
    assert not packed.notes
    assert len(packed.data) < 0.97 * xz_bytes(content)


@pytest.mark.parametrize("content", [b"", b"a", b"TFL3", b"\0\0\0\0TFL3", bytes(5000), b"no model at all" * 100])
def test_what_is_no_model_is_compressed_as_it_is(content: bytes) -> None:
    packed = packed_and_compared({"m": content})
    assert not packed.tensors and len(packed.notes) == 1 and "No constant tensors were found" in packed.notes[0]
    assert len(packed.data) <= len(content) + 12  # head, size and kind


KINDS = {
    "FLOAT32": "<f4", "FLOAT16": "<f2", "BFLOAT16": "<u2", "FLOAT64": "<f8", "INT8": "i1", "UINT8": "u1",
    "INT16": "<i2", "UINT16": "<u2", "INT32": "<i4", "UINT32": "<u4",
    "INT64": "<i8", "UINT64": "<u8", "BOOL": "?", "COMPLEX64": "<c8",
    "COMPLEX128": "<c16", "INT4": "u1", "UINT4": "u1", "INT2": "u1", "FLOAT8_E4M3FN": "u1", "STRING": "u1",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_type_of_tflite(kind: str) -> None:
    constants = []
    for shape in ((), (0,), (1,), (3,), (7, 9), (64, 33)):
        data = np.frombuffer(RANDOM.bytes(int(np.prod(shape)) * np.dtype(KINDS[kind]).itemsize), KINDS[kind])
        constants.append(T(shape, kind, data=data))
        constants.append(T(shape, kind, data=np.where(np.arange(data.size) % 3, data, data.dtype.type(0))))
    packed_and_compared({"m.tflite": build([*constants, T([1])], [])})


ONNX_KINDS = [name for name, number in TensorProto.DataType.items() if number and name != "STRING"]


@pytest.mark.parametrize("kind", ONNX_KINDS)
def test_every_type_of_onnx(kind: str) -> None:
    number = getattr(TensorProto, kind)
    initializers = []
    for index, shape in enumerate([(), (0,), (1,), (8,), (8, 40)]):
        size_bytes = int(np.prod(shape)) * helper.tensor_dtype_to_np_dtype(number).itemsize
        tensor = TensorProto(data_type=number, dims=shape, name=f"t{index}", raw_data=RANDOM.bytes(size_bytes))
        initializers.append(tensor)
    model = helper.make_model(helper.make_graph([], "g", [], [], initializers))
    packed_and_compared({"m.onnx": model.SerializeToString()})


def test_nan_payloads_infinities_and_denormals() -> None:
    values = RANDOM.normal(size=(16, 64)).astype(np.float32)
    special = [0x7FC00001, 0xFFC12345, 0x7F800001, 0x7F800000, 0xFF800000, 1, 0x80000000, 0x807FFFFF]
    values[3, :8] = np.array(special, "<u4").view("<f4")
    with np.errstate(invalid="ignore"):
        halves, doubles, twice = values.astype(np.float16), values.astype(np.float64), values[3, :16] * np.float32(2)
    tensors = [
        T(values.shape, data=values),
        T(values.shape, "FLOAT16", data=halves),
        T(values.shape, "FLOAT64", data=doubles),
    ]
    content = build([*tensors, T([16], data=values[3, :16]), T([16], data=twice), T([1])], [])
    packed_and_compared({"m.tflite": content})


def test_nested_graphs_and_functions() -> None:
    packed_and_compared({"m.onnx": small_model(21).SerializeToString()})


@pytest.mark.parametrize("together", [True, False])
def test_external_data(together: bool, tmp_path: Path) -> None:
    kernels = [RANDOM.integers(-3, 4, (40, 50)).astype(np.float32) * np.float32(0.1) for _ in range(3)]
    initializers = [numpy_helper.from_array(kernel, f"w{index}") for index, kernel in enumerate(kernels)]
    model = helper.make_model(helper.make_graph([], "g", [], [], initializers))
    onnx.save_model(
        model,
        tmp_path / "m.onnx",
        save_as_external_data=True,
        all_tensors_to_one_file=together,
        location="w.bin" if together else None,
        size_threshold=100,
    )
    files = read_model(tmp_path / "m.onnx")
    assert list(files) == (["m.onnx", "w.bin"] if together else ["m.onnx", "w0", "w1", "w2"])
    packed = packed_and_compared(files)
    assert {tensor.name for tensor in packed.tensors} == {"w0", "w1", "w2"}
    # seven values are log2(7) = 2.81 bits, with a twentieth for what is learnt and the tables
    assert len(packed.data) < 1.05 * np.log2(7) / 8 * 6000 + 400


def test_overlapping_regions_and_those_outside_of_the_file_are_left() -> None:
    raw = RANDOM.normal(size=100).astype(np.float32).tobytes()
    model = helper.make_model(helper.make_graph([], "g", [], [], []))
    for index, (offset, length) in enumerate([(0, 200), (100, 200), (200, 200), (300, 500), (0, 400)]):
        tensor = TensorProto(data_type=TensorProto.FLOAT, dims=[length // 4], name=f"w{index}")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", "w"), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        model.graph.initializer.append(tensor)
    packed = packed_and_compared({"m": model.SerializeToString(), "w": raw})
    assert sum(tensor.raw_bytes for tensor in packed.tensors) == 400


def test_tensors_that_are_larger_than_a_segment_are_cut_by_rows() -> None:
    kernel = np.sign(RANDOM.normal(size=(430, 5000))).astype(np.int8)
    content = build(
        [T(kernel.shape, "INT8", "w", data=kernel), T([40], data=np.arange(40, dtype=np.float32)), T([1])], []
    )
    packed = packed_and_compared({"m.tflite": content})
    parts = [tensor for tensor in packed.tensors if tensor.name == "w"]
    assert len(parts) == 2 and all(part.raw_bytes % 5000 == 0 for part in parts)
    assert max(map(len, segments(packed.data))) <= MAX_SEGMENT_BYTES
    assert len(packed.data) < 1.02 * kernel.size / 8 + 1000


def test_what_is_no_model_is_one_stream_however_large() -> None:
    content = (b"line of text\n" * 400_000)[: 2 * MAX_SEGMENT_BYTES + 5]
    packed = packed_and_compared({"m": content})
    assert [len(part) for part in segments(packed.data)] == [len(content)]


@pytest.mark.slow
def test_thousands_of_small_tensors() -> None:
    """More than one segment may list."""
    rows = RANDOM.integers(0, 9, (20_000, 16)).astype(np.int8)
    initializers = [numpy_helper.from_array(row, str(index)) for index, row in enumerate(rows)]
    model = helper.make_model(helper.make_graph([], "g", [], [], initializers))
    content = model.SerializeToString()
    packed = packed_and_compared({"m.onnx": content})
    assert len(packed.data) < 0.7 * len(content)


PACK_CHILD = """
import hashlib, sys
from pathlib import Path
from edgecompress.packing.pack import pack
print(hashlib.sha256(pack(Path(sys.argv[1]).read_bytes(), name="m")).hexdigest())
"""


def test_every_process_packs_the_same_bytes(tmp_path: Path) -> None:
    scales = RANDOM.random(20).astype(np.float32)
    content = build(
        [
            *(
                T([20, 6], "INT8", f"w{i}", RANDOM.integers(-9, 9, (20, 6)).astype("i1"), scales * i, [0] * 20)
                for i in (1, 2, 3)
            ),
            T([20, 30], data=RANDOM.normal(size=(20, 30)).astype(np.float32)),
            T([1]),
        ],
        [],
    )
    (tmp_path / "m").write_bytes(content)
    hashes = {hashlib.sha256(pack(content, name="m")).hexdigest()}
    for seed in ("1", "2"):
        child = [sys.executable, "-c", PACK_CHILD, str(tmp_path / "m")]
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        found = subprocess.run(child, capture_output=True, text=True, timeout=120, env=environment, check=True)
        hashes.add(found.stdout.strip())
    assert len(hashes) == 1
    assert unpack(pack(content)) == content


def test_progress_goes_up_to_the_end() -> None:
    seen: list[tuple[str, int, int]] = []
    content = bytes(MAX_SEGMENT_BYTES + 1)
    pack_files({"m": content}, on_progress=lambda *step: seen.append(step))
    assert seen == [("packing", MAX_SEGMENT_BYTES, len(content)), ("packing", len(content), len(content))]


@pytest.mark.parametrize("name", ["../m", "/m", "x" * 600, "a\\b"])
def test_a_name_that_could_not_be_unpacked_is_not_packed(name: str) -> None:
    with pytest.raises(PackedFileError):
        pack(b"content", name=name)


def test_a_segment_that_takes_too_long_is_compressed_without_its_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "FREE_STEPS", 0)
    kernel = RANDOM.integers(0, 9, (16, 100)).astype(np.int8)
    content = build([T(kernel.shape, "INT8", "w", data=kernel)], [])
    packed = packed_and_compared({"m.tflite": content})
    assert packed.tensors == () and packed.rest_bytes == len(content)
    assert packed.packed_rest_bytes == len(packed.data)
    assert "too much memory or time" in packed.notes[0]
