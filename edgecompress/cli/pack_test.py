"""`pack` and `unpack` as a person calls them."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edgecompress.packing.container import unpack_files
from edgecompress.packing.header import Header, PackedFile, SegmentPlace, content_hash, write_header
from edgecompress.packing.pack import pack_files
from edgecompress.testing.tflite_files import T, build

RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.integers(-100, 100, (30, 20)).astype(np.float32) * RANDOM.random(20).astype(np.float32)
CONTENT = build([T([30, 20], data=KERNEL, name="w"), T([1])], [])


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(CONTENT)
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_there_and_back_with_the_names_that_are_not_given(cli, model):
    found = cli("pack", model)
    packed = model.with_suffix(".ecz")
    assert found.code == 0 and str(packed) in found.out
    assert all(word in found.out for word in ("raw", "gzip -9", "zstd -19", "xz -9", "packed"))
    model.unlink()
    found = cli("unpack", packed)
    assert found.code == 0 and "hash checked" in found.out
    assert model.read_bytes() == CONTENT and names(model.parent) == ["model.ecz", "model.tflite"]


def test_names_that_are_given(cli, model, tmp_path):
    packed = tmp_path / "to" / "p.bin"
    assert cli("pack", model, "-o", packed).code == 0
    assert cli("unpack", packed, "-o", tmp_path / "new" / "other.tflite").code == 0
    assert (tmp_path / "new" / "other.tflite").read_bytes() == CONTENT
    (tmp_path / "folder").mkdir()
    assert cli("unpack", packed, "-o", tmp_path / "folder").code == 0
    assert (tmp_path / "folder" / "p.tflite").read_bytes() == CONTENT, "a short file keeps the suffix of its name"
    assert cli("pack", tmp_path / "folder" / "p.tflite", "-o", tmp_path / "folder").code == 0
    assert names(tmp_path / "folder") == ["p.ecz", "p.tflite"]


def test_json_says_everything(cli, model, tmp_path):
    told = json.loads(cli("pack", model, "--json").out)
    keys = ["file", "packed_file", "raw_bytes", "stock_bytes", "packed_bytes", "files", "tensors", "rest_bytes"]
    assert list(told) == [*keys, "packed_rest_bytes", "notes"]
    packed = Path(told["packed_file"])
    assert told["raw_bytes"] == len(CONTENT) and told["packed_bytes"] == packed.stat().st_size
    assert list(told["stock_bytes"]) == ["gzip -9", "zstd -19", "xz -9"] and told["files"] == {
        "model.tflite": len(CONTENT)
    }
    (tensor,) = told["tensors"]
    assert list(tensor) == ["name", "dtype", "shape", "raw_bytes", "packed_bytes", "coding"]
    assert (tensor["name"], tensor["dtype"], tensor["shape"]) == ("w", "float32", [30, 20])
    told = json.loads(cli("unpack", packed, "-o", tmp_path / "again.tflite", "--json").out)
    assert told == {"files": {str(tmp_path / "again.tflite"): len(CONTENT)}}


def test_explain_lists_each_tensor_and_what_is_left(cli, model):
    found = cli("pack", model, "--explain")
    assert "30 x 20" in found.out and "scales times integers" in found.out and "all else" in found.out
    assert "integers" not in cli("pack", model).out


def test_a_note_says_what_is_kept_as_it_is(cli, tmp_path):
    (tmp_path / "text").write_bytes(b"no model")
    found = cli("pack", tmp_path / "text")
    assert found.code == 0 and "Note: No constant tensors were found" in found.out
    assert names(tmp_path) == ["text", "text.ecz"]


def test_external_data_goes_with_the_model(cli, tmp_path):
    kernel = numpy_helper.from_array(np.random.default_rng(0).normal(size=(30, 40)).astype(np.float32), "w")
    graph = helper.make_model(helper.make_graph([], "g", [], [], [kernel]))
    onnx.save_model(graph, tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    before = {name: (tmp_path / name).read_bytes() for name in ("m.onnx", "w.bin")}
    assert json.loads(cli("pack", tmp_path / "m.onnx", "--json").out)["files"] == {k: len(v) for k, v in before.items()}
    told = json.loads(cli("unpack", tmp_path / "m.ecz", "-o", tmp_path / "to" / "n.onnx", "--json").out)
    assert list(told["files"]) == [str(tmp_path / "to" / "n.onnx"), str(tmp_path / "to" / "w.bin")]
    assert (tmp_path / "to" / "w.bin").read_bytes() == before["w.bin"]
    (tmp_path / "w.bin").unlink()
    found = cli("pack", tmp_path / "m.onnx", "-o", tmp_path / "none.ecz")
    assert found.code == 1 and "w.bin" in found.err and not (tmp_path / "none.ecz").exists()


@pytest.mark.parametrize("command", ["pack", "unpack"])
@pytest.mark.parametrize(("name", "told"), [("", "is a folder"), ("nothing", "does not exist")])
def test_a_folder_or_nothing_is_refused(cli, command, name, told, tmp_path):
    found = cli(command, tmp_path / name, "--json")
    assert found.code == 1 and told in found.err and told in json.loads(found.out)["error"]["message"]


@pytest.mark.parametrize("name", [".", "/"])
@pytest.mark.parametrize("command", ["pack", "unpack"])
def test_folders_without_a_name_are_refused(cli, command, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = cli(command, name)
    assert found.code == 1 and "is a folder" in found.err


def test_a_model_is_not_unpacked(cli, model):
    found = cli("unpack", model)
    assert found.code == 1 and "not a packed file" in found.err and "edgecompress pack" in found.err
    assert model.read_bytes() == CONTENT


def test_a_damaged_file_is_told_and_writes_nothing(cli, model, tmp_path):
    cli("pack", model)
    packed = model.with_suffix(".ecz")
    content = bytearray(packed.read_bytes())
    content[-1] ^= 1
    packed.write_bytes(content)
    found = cli("unpack", packed, "-o", tmp_path / "out" / "m.tflite")
    assert found.code == 1 and "damaged" in found.err and "Traceback" not in found.err
    assert names(tmp_path) == ["model.ecz", "model.tflite"]


def test_a_limit_is_kept(cli, tmp_path):
    (tmp_path / "large").write_bytes(bytes((1 << 20) + 1))
    cli("pack", tmp_path / "large")
    found = cli("unpack", tmp_path / "large.ecz", "-o", tmp_path / "out", "--limit", 1)
    assert found.code == 1 and "limit is 1048576" in found.err and not (tmp_path / "out").exists()
    assert cli("unpack", tmp_path / "large.ecz", "-o", tmp_path / "out", "--limit", 2).code == 0
    assert cli("unpack", tmp_path / "large.ecz", "--limit", 0).code == 2


@pytest.mark.parametrize("same", ["model.tflite", "model.ecz"])
def test_a_file_is_not_packed_over_itself(cli, same, tmp_path):
    """Whoever packs twice, or names the model as the output, keeps what there was."""
    path = tmp_path / same
    path.write_bytes(CONTENT)
    found = cli("pack", path, "-o", path) if same == "model.tflite" else cli("pack", path)
    assert found.code == 1 and path.read_bytes() == CONTENT


def packed_by_hand(name):
    place = SegmentPlace(5, 6, zlib.crc32(b"\0evil!"))
    return write_header(Header((PackedFile(name, 5, content_hash(b"evil!")),), (place,))) + b"\0evil!"


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil-of-a-test", "a/../../evil", "."])
def test_hostile_names_are_refused(cli, name, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "p.ecz").write_bytes(packed_by_hand(name))
    found = cli("unpack", tmp_path / "in" / "p.ecz")
    assert found.code == 1 and "outside" in found.err
    assert names(tmp_path) == ["in"] and names(tmp_path / "in") == ["p.ecz"]


def test_nothing_is_written_through_a_link(cli, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "p.ecz").write_bytes(packed_by_hand("link/evil"))
    cli("unpack", tmp_path / "in" / "p.ecz")
    assert names(tmp_path / "elsewhere") == []


def test_several_files_are_those_of_the_library(cli, tmp_path):
    files = {"m.onnx": b"model", "data/w.bin": b"data"}
    (tmp_path / "p.ecz").write_bytes(pack_files(files).data)
    assert cli("unpack", tmp_path / "p.ecz").code == 0
    assert {name: (tmp_path / name).read_bytes() for name in files} == unpack_files((tmp_path / "p.ecz").read_bytes())


@pytest.mark.parametrize("command", ["pack", "unpack"])
def test_an_interrupt_leaves_nothing_half_written(cli, command, model, tmp_path, monkeypatch):
    cli("pack", model)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    original = Path.write_bytes

    def interrupted(self, data):
        original(self, data[: len(data) // 2])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    found = cli(command, model if command == "pack" else model.with_suffix(".ecz"))
    assert found.code == 130 and "Traceback" not in found.err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
