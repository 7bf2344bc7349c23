"""Constants lie where the reader of TFLite files finds them, and a damaged file costs no more than its tensors."""

from __future__ import annotations

import random
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgecompress.formats.tflite.file import read_graph
from edgecompress.packing.regions.region import Region
from edgecompress.packing.regions.tflite import SHARED, WIDTHS, find
from edgecompress.testing.sample_files import TFLITE_FILES
from edgecompress.testing.tflite_files import T, build, model_table, options, pack, tensor_table

RANDOM = np.random.default_rng(0)


def content_of(region: Region, content: bytes) -> bytes:
    return content[region.start : region.end]


@pytest.mark.parametrize("path", TFLITE_FILES, ids=lambda path: path.stem)
def test_every_constant_of_a_published_file_is_found_where_it_lies(path: Path) -> None:
    content = path.read_bytes()
    found = {(region.name, region.shape): content_of(region, content) for region in find(content)}
    constants = [each for each in read_graph(path).tensors if each.data is not None and each.data.size]
    assert len(constants) > 20
    for tensor in constants:
        assert found[tensor.name, tensor.shape] == tensor.data.tobytes(), tensor.name


def test_types_widths_and_shapes() -> None:
    data = {"FLOAT32": "<f4", "INT8": "i1", "INT16": "<i2", "INT64": "<i8", "FLOAT16": "<f2", "BOOL": "?"}
    tensors = [T([2, 3], kind, kind, data=np.arange(6).astype(dtype)) for kind, dtype in data.items()]
    tensors.append(T([3, 4], "INT4", "INT4", data=np.arange(6, dtype=np.uint8)))
    content = build([*tensors, T([1]), T([1])], [("ADD", [len(data) + 1], [len(data) + 2], options("AddOptions"))])
    found = find(content)
    assert [(each.name, each.dtype, each.shape) for each in found] == [
        *((kind, kind.lower(), (2, 3)) for kind in data),
        ("INT4", "int4", (3, 4)),
    ]
    for region, tensor in zip(found, tensors, strict=True):
        assert tensor.data is not None and content_of(region, content) == tensor.data.tobytes()
        assert region.width == (1 if tensor.dtype == "INT4" else tensor.data.itemsize)
        assert region.is_float == tensor.dtype.startswith("FLOAT")
    assert (found[-1].bits, found[-1].channels) == (4, 3)


def test_every_type_of_the_schema_but_strings_and_handles_is_known() -> None:
    names = {name.lower() for name in vars(schema.TensorType) if not name.startswith("_")}
    assert set(WIDTHS) | set(SHARED) >= names - {"string", "resource", "variant", "float8_e4m3fn", "float8_e5m2"}


def test_scales_are_vectors_of_their_own() -> None:
    scales = RANDOM.random(8).astype(np.float32)
    data = np.arange(24, dtype=np.int8)
    content = build([T([8, 3], "INT8", "w", data=data, scale=list(scales), zero_point=[0] * 8), T([1])], [])
    kernel, vector = find(content)
    assert (kernel.name, vector.name, vector.shape) == ("w", "scales of w", (8,))
    assert content_of(vector, content) == scales.tobytes() and vector.is_float and vector.width == 4


def test_all_subgraphs_are_searched() -> None:
    model = model_table([T([4], data=np.arange(4, dtype=np.float32), name="first")], [])
    second = schema.SubGraphT()
    second.tensors = [tensor_table(T([5], data=np.arange(5, dtype=np.float32), name="second"), 0, model.buffers)]
    second.inputs, second.outputs, second.operators = [], [], []
    model.subgraphs.append(second)
    content = pack(model)
    assert [(each.name, each.size_bytes) for each in find(content)] == [("first", 16), ("second", 20)]
    for region in find(content):
        assert content_of(region, content) == np.arange(region.shape[0], dtype=np.float32).tobytes()


def behind(size: int) -> bytes:
    """A file whose only constant, `size` bytes of 7, lies behind the flatbuffer."""
    model = model_table([T([40], "INT8", "w", data=np.zeros(1, np.int8))], [])
    model.buffers[1].data = None
    model.buffers[1].offset = model.buffers[1].size = 1 << 20  # so that the fields are there
    length = len(pack(model))
    model.buffers[1].offset, model.buffers[1].size = length, size
    content = pack(model)
    assert len(content) == length
    return content + bytes([7]) * 40


def test_buffers_behind_the_flatbuffer() -> None:
    content = behind(40)
    (region,) = find(content)
    assert content_of(region, content) == bytes([7]) * 40 and region.end == len(content)
    assert not find(behind(41))


def test_an_empty_file_has_none() -> None:
    assert not find(build([T([1]), T([1])], [("ADD", [0], [1], None)]))
    assert not find(b"") and not find(b"\0\0\0\0TFL3")


def varied() -> bytes:
    return build(
        [
            T([8, 3], "INT8", "w", data=np.arange(24, dtype=np.int8), scale=[0.5] * 8, zero_point=[0] * 8),
            T([30], "FLOAT32", "b", data=np.arange(30, dtype=np.float32)),
            T([1]),
        ],
        [("ADD", [0, 1], [2], options("AddOptions"))],
    )


def test_a_damaged_file_never_raises() -> None:
    content, chooser = varied(), random.Random(0)
    for length in range(0, len(content), 3):
        find(content[:length])
    for _ in range(3000):
        changed = bytearray(content)
        for _ in range(chooser.choice([1, 1, 2, 8])):
            place = chooser.randrange(len(changed) - 4)
            if chooser.random() < 0.5:
                changed[place] = chooser.randrange(256)
            else:
                number = chooser.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(content)])
                changed[place : place + 4] = number.to_bytes(4, "little")
        find(bytes(changed))


def test_a_file_without_buffers_has_no_constants() -> None:
    model = model_table([T([4], data=np.arange(4, dtype=np.float32))], [])
    model.buffers = None
    assert find(pack(model)) == []


def listed_again_and_again(times: int) -> bytes:
    """A file of one subgraph, `times` in the list of subgraphs, with one tensor, `times` in the list of tensors."""
    builder = flatbuffers.Builder(1 << 16)
    schema.TensorStart(builder)
    schema.TensorAddType(builder, schema.TensorType.STRING)
    table = schema.TensorEnd(builder)
    for start, add, end in (
        (schema.SubGraphStart, schema.SubGraphAddTensors, schema.SubGraphEnd),
        (schema.ModelStart, schema.ModelAddSubgraphs, schema.ModelEnd),
    ):
        builder.StartVector(4, times, 4)
        for _ in range(times):
            builder.PrependUOffsetTRelative(table)
        vector = builder.EndVector()
        start(builder)
        add(builder, vector)
        table = end(builder)
    builder.Finish(table, b"TFL3")
    return bytes(builder.Output())


def test_tensors_that_are_listed_again_and_again_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offsets may all point to one table: here 8 KB claim a million tensors."""
    reads, tensors = 0, schema.SubGraph.Tensors

    def counted(self: schema.SubGraph, index: int) -> schema.Tensor:
        nonlocal reads
        reads += 1
        return tensors(self, index) if reads < 200_000 else pytest.fail("more tensors than a file may have")

    monkeypatch.setattr(schema.SubGraph, "Tensors", counted)
    assert find(listed_again_and_again(1024)) == []
