"""The tensors of ONNX files lie where protobuf's own parser reads them, and damage never raises."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, external_data_helper, helper, numpy_helper

from edgecompress.formats.onnx.fuzz_test import small_model
from edgecompress.packing.regions.onnx import find
from edgecompress.testing.sample_files import ONNX_FILES


def tensors_of(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from tensors_in(attribute)


def tensors_in(attribute: AttributeProto) -> Iterator[TensorProto]:
    if attribute.HasField("t"):
        yield attribute.t
    yield from attribute.tensors
    for sparse in (
        *([attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []),
        *attribute.sparse_tensors,
    ):
        yield from (sparse.values, sparse.indices)
    for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
        yield from tensors_of(graph)


def stored(tensor: TensorProto) -> bytes:
    if tensor.HasField("raw_data"):
        return tensor.raw_data
    return np.array(tensor.float_data, "<f4").tobytes() or np.array(tensor.double_data, "<f8").tobytes()


def compare(model: ModelProto, content: bytes) -> int:
    """Compare what is found with onnx's own parse; return how many tensors there are."""
    tensors = [*tensors_of(model.graph)]
    for function in model.functions:
        tensors += [t for node in function.node for attribute in node.attribute for t in tensors_in(attribute)]
    expected = [(t.name, tuple(t.dims), stored(t)) for t in tensors if stored(t)]
    found, external = find(content)
    assert not external
    got = [(each.name, each.shape, content[each.start : each.end]) for each in found if each.size_bytes]
    assert sorted(got) == sorted(expected)
    return len(got)


@pytest.mark.parametrize("path", ONNX_FILES, ids=lambda path: path.stem)
def test_every_tensor_of_a_published_file_is_found_where_it_lies(path: Path) -> None:
    content = path.read_bytes()
    assert compare(onnx.load_from_string(content), content) > 50


def test_nested_graphs_functions_and_sparse_tensors() -> None:
    model = small_model(21)
    values = numpy_helper.from_array(np.arange(3, dtype=np.float32), "s")
    places = numpy_helper.from_array(np.array([1, 5, 9]), "s_indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [12]))
    model.graph.node.append(
        helper.make_node("Constant", [], ["sparse"], sparse_value=helper.make_sparse_tensor(values, places, [12]))
    )
    assert compare(model, model.SerializeToString()) > 8


KINDS = [
    ("FLOAT", 4, True), ("UINT8", 1, False), ("INT8", 1, False), ("UINT16", 2, False), ("INT16", 2, False),
    ("INT32", 4, False), ("INT64", 8, False), ("BOOL", 1, False), ("FLOAT16", 2, True), ("DOUBLE", 8, True),
    ("UINT32", 4, False), ("UINT64", 8, False), ("COMPLEX64", 4, True), ("COMPLEX128", 8, True), ("BFLOAT16", 2, True),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "width", "is_float"), KINDS)
def test_raw_data_of_every_type(kind: str, width: int, is_float: bool) -> None:
    raw = np.random.default_rng(0).bytes(6 * (2 if "COMPLEX" in kind else 1) * width)
    tensor = helper.make_tensor("t", getattr(TensorProto, kind), [2, 3], raw, raw=True)
    content = helper.make_model(helper.make_graph([], "g", [], [], [tensor])).SerializeToString()
    ((region,), _) = find(content)
    assert content[region.start : region.end] == raw
    assert (region.width, region.is_float, region.shape, region.bits) == (width, is_float, (2, 3), 0)


@pytest.mark.parametrize(("kind", "bits"), [("INT4", 4), ("UINT4", 4)])
def test_numbers_that_share_bytes(kind: str, bits: int) -> None:
    tensor = helper.make_tensor("t", getattr(TensorProto, kind), [4, 2], b"\x21\x43\x65\x07", raw=True)
    ((region,), _) = find(helper.make_model(helper.make_graph([], "g", [], [], [tensor])).SerializeToString())
    assert (region.bits, region.width, region.size_bytes, region.channels) == (bits, 1, 4, 4)


@pytest.mark.parametrize(("kind", "dtype"), [("FLOAT", "<f4"), ("DOUBLE", "<f8")])
def test_numbers_that_are_not_raw(kind: str, dtype: str) -> None:
    tensor = helper.make_tensor("t", getattr(TensorProto, kind), [5], np.arange(5.0).tolist())
    content = helper.make_model(helper.make_graph([], "g", [], [], [tensor])).SerializeToString()
    ((region,), _) = find(content)
    assert content[region.start : region.end] == np.arange(5.0).astype(dtype).tobytes()


def external(**places: object) -> bytes:
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [10], bytes(40), raw=True)
    external_data_helper.set_external_data(tensor, "w.bin", **places)
    tensor.ClearField("raw_data")
    return helper.make_model(helper.make_graph([], "g", [], [], [tensor])).SerializeToString()


def test_external_data() -> None:
    regions, (place,) = find(external(offset=4096, length=40))
    assert not regions and place.location == "w.bin"
    assert (place.region.start, place.region.size_bytes, place.region.name) == (4096, 40, "t")


@pytest.mark.parametrize("places", [{}, {"offset": 8}, {"length": 40}])
def test_external_data_need_not_say_where_it_begins_or_ends(places: dict[str, int]) -> None:
    """Offset and length are optional in ONNX; the file belongs to the model all the same."""
    _, found = find(external(**places))
    assert [place.location for place in found] == ["w.bin"]


def test_external_data_of_a_type_that_is_not_coded_belongs_to_the_model() -> None:
    model = onnx.load_from_string(external(offset=0, length=40))
    model.graph.initializer[0].data_type = TensorProto.FLOAT8E4M3FN
    _, found = find(model.SerializeToString())
    assert [place.location for place in found] == ["w.bin"]


@pytest.mark.parametrize("number", ["-1", "1e3", "٣", "9" * 30, " 1"])
def test_places_that_are_no_numbers_never_raise(number: str) -> None:
    model = onnx.load_from_string(external(offset=0, length=40))
    for entry in model.graph.initializer[0].external_data:
        if entry.key == "length":
            entry.value = number
    regions, found = find(model.SerializeToString())
    assert not regions and all(place.region is None or place.region.size_bytes >= 0 for place in found)


def test_a_damaged_file_never_raises() -> None:
    content, chooser = small_model(21).SerializeToString(), random.Random(0)
    for length in range(len(content)):
        find(content[:length])
    for _ in range(5000):
        changed = bytearray(content)
        for _ in range(chooser.choice([1, 1, 2, 8])):
            changed[chooser.randrange(len(changed))] = chooser.choice([0, 1, 0x7F, 0x80, 0xFF, chooser.randrange(256)])
        regions, _ = find(bytes(changed))
        assert all(0 <= each.start <= each.end <= len(changed) for each in regions)


def test_messages_that_are_nested_without_end_are_left() -> None:
    content = b""
    for _ in range(200):  # graph { node { attribute { g { ...
        for field in (6, 5, 1):
            length = len(content)
            content = bytes([field << 3 | 2, length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14]) + content
    length = len(content)
    content = bytes([7 << 3 | 2, length & 0x7F | 0x80, length >> 7 & 0x7F | 0x80, length >> 14]) + content
    assert find(content) == ([], [])
