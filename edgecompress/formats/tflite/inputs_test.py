import random
import struct

import pytest

from edgecompress.formats.tflite.file import read_graph
from edgecompress.formats.tflite.inputs import MAX_INPUTS, TfliteInputs, peek_inputs
from edgecompress.testing.sample_files import TFLITE_FILES, endless, partly_delegated
from edgecompress.testing.tflite_files import T, build, model_table, pack, recurrent, svdf


@pytest.mark.parametrize("path", TFLITE_FILES, ids=lambda path: path.stem)
def test_inputs_are_those_of_the_reader(path):
    graph = read_graph(path)
    found = peek_inputs(path)
    wanted = [graph.tensors[index].spec for index in graph.inputs]
    assert [(each.name, each.shape, each.dtype) for each in found.specs] == [
        (each.name, each.shape, each.dtype) for each in wanted
    ]
    assert found.variables == ()


def test_a_free_axis_is_seen(tmp_path):
    assert peek_inputs(partly_delegated(tmp_path)).specs[0].shape == (-1, 4096)


def test_a_file_with_control_flow_is_read_too(tmp_path):
    assert [each.name for each in peek_inputs(endless(tmp_path)).specs] == ["x"]


@pytest.mark.parametrize("make", [svdf, recurrent])
def test_where_variables_say_so(make, tmp_path):
    """Cleared there, and nothing else, the file has no variable."""
    path = make(tmp_path)
    (place,) = peek_inputs(path).variables
    content = bytearray(path.read_bytes())
    assert content[place] == 1
    content[place] = 0
    path.write_bytes(content)
    assert peek_inputs(path).variables == ()


def test_nothing_is_read_of_what_is_no_model(tmp_path):
    assert peek_inputs(tmp_path / "missing") == peek_inputs(tmp_path) == TfliteInputs()
    many = build([T([1]) for _ in range(MAX_INPUTS + 2)], [("RELU", [0], [MAX_INPUTS + 1], None)])
    (tmp_path / "many.tflite").write_bytes(many)
    assert peek_inputs(tmp_path / "many.tflite") == TfliteInputs()


def test_damage_is_no_error(tmp_path):
    """Any byte of a small file changed, and lengths that no file holds: there is an answer, with places inside."""
    table = model_table([T([1, 4], name="x"), T([1, 4])], [("RELU", [0], [1], None)])
    table.subgraphs[0].tensors[1].isVariable = True
    content, generator, path = pack(table), random.Random(0), tmp_path / "damaged.tflite"
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] = generator.randrange(256)
        path.write_bytes(damaged)
        assert all(0 <= each < len(content) for each in peek_inputs(path).variables)
    for place in range(0, len(content) - 4, 4):
        damaged = bytearray(content)
        struct.pack_into("<I", damaged, place, generator.choice([0xFFFFFFFF, 0x7FFFFFFF, 0x10000, len(content)]))
        path.write_bytes(damaged)
        assert all(0 <= each < len(content) for each in peek_inputs(path).variables)
