"""Files on disk: all that belong together, nothing from elsewhere, and whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper

from edgecompress.errors import EdgeCompressError, ModelFileError, PackedFileError, RunFolderError
from edgecompress.packing.files import read_model, read_packed, write_model


def external_model(path: Path, location: str, **places: int) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [10], bytes(40), raw=True)
    external_data_helper.set_external_data(tensor, location, **(places or {"offset": 0, "length": 40}))
    tensor.ClearField("raw_data")
    path.write_bytes(helper.make_model(helper.make_graph([], "g", [], [], [tensor])).SerializeToString())


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("location", ["w.bin", "data/w.bin"])
def test_external_data_is_read_with_the_model(location: str, tmp_path: Path) -> None:
    external_model(tmp_path / "m.onnx", location)
    (tmp_path / location).parent.mkdir(exist_ok=True)
    (tmp_path / location).write_bytes(bytes(range(40)))
    files = read_model(tmp_path / "m.onnx")
    assert list(files) == ["m.onnx", location] and files[location] == bytes(range(40))
    written = write_model(tmp_path / "again" / "m.onnx", files)
    assert written == [tmp_path / "again" / "m.onnx", (tmp_path / "again").resolve() / location]
    assert files_in(tmp_path / "again") == files
    assert onnx.load(tmp_path / "again" / "m.onnx").graph.initializer[0].raw_data == bytes(range(40))


def test_external_data_that_is_the_whole_file_is_read_with_the_model(tmp_path: Path) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [10], bytes(40), raw=True)
    external_data_helper.set_external_data(tensor, "w.bin")
    tensor.ClearField("raw_data")
    model = helper.make_model(helper.make_graph([], "g", [], [], [tensor]))
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "w.bin").write_bytes(bytes(40))
    assert list(read_model(tmp_path / "m.onnx")) == ["m.onnx", "w.bin"]


@pytest.mark.parametrize(
    "location", ["missing.bin", "../w.bin", "/etc/passwd", "link/w.bin", "link.bin", "", "data", "."]
)
def test_external_data_that_is_not_in_the_folder_is_refused(location: str, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    for each in (folder / "data", elsewhere):
        each.mkdir(parents=True)
    (elsewhere / "w.bin").write_bytes(bytes(40))
    (tmp_path / "w.bin").write_bytes(bytes(40))
    (folder / "link").symlink_to(elsewhere)
    (folder / "link.bin").symlink_to(elsewhere / "w.bin")
    external_model(folder / "m.onnx", location)
    with pytest.raises(ModelFileError, match="no file in its folder"):
        read_model(folder / "m.onnx")


def test_an_external_file_whose_name_could_not_be_packed_is_refused(tmp_path: Path) -> None:
    location = "/".join(["a" * 200] * 3) + "/w.bin"
    (tmp_path / location).parent.mkdir(parents=True)
    (tmp_path / location).write_bytes(bytes(40))
    external_model(tmp_path / "m.onnx", location)
    with pytest.raises(ModelFileError):
        read_model(tmp_path / "m.onnx")


def test_a_model_whose_name_cannot_be_kept_is_not_taken_for_its_data(tmp_path: Path) -> None:
    external_model(tmp_path / "a:b.onnx", "model")
    (tmp_path / "model").write_bytes(bytes(40))
    try:
        files = read_model(tmp_path / "a:b.onnx")
    except EdgeCompressError:
        return
    assert list(files.values()) == [(tmp_path / "a:b.onnx").read_bytes(), bytes(40)]


def test_a_model_whose_name_cannot_be_kept_is_called_model(tmp_path: Path) -> None:
    for name in ("a:b", "line\nbreak", "back\\slash"):
        (tmp_path / name).write_bytes(b"content")
        assert read_model(tmp_path / name) == {"model": b"content"}


@pytest.mark.parametrize("reader", [read_model, read_packed])
def test_what_is_no_file_is_told(reader, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, told in (("", "is a folder"), ("nothing", "does not exist"), ("pipe", "is no file")):
        with pytest.raises(EdgeCompressError, match=told):
            reader(tmp_path / name)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate((1 << 32) + 1)  # takes no room on the disk
    with pytest.raises(ModelFileError, match="at most 4294967296"):
        read_model(tmp_path / "large")
    with pytest.raises(PackedFileError, match="at most 4294967296"):
        read_packed(tmp_path / "large")


FILES = {"m.onnx": b"model", "a.bin": b"first", "b.bin": b"second"}
OLD = {"m.onnx": b"old model", "a.bin": b"old first", "b.bin": b"old second"}


@pytest.mark.parametrize("blocked", FILES)
def test_all_files_are_written_or_none(blocked: str, tmp_path: Path) -> None:
    """A folder in the place of any file keeps all others as they were."""
    for name, content in OLD.items():
        if name == blocked:
            (tmp_path / name).mkdir()
        else:
            (tmp_path / name).write_bytes(content)
    before = files_in(tmp_path)
    with pytest.raises(EdgeCompressError):
        write_model(tmp_path / "m.onnx", FILES)
    assert files_in(tmp_path) == before


@pytest.mark.parametrize("old", [{}, OLD])
def test_a_write_that_fails_leaves_everything_as_it_was(
    old: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)
    original, calls = Path.write_bytes, 0

    def full(self: Path, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")
        return original(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunFolderError, match="No space left"):
        write_model(tmp_path / "m.onnx", FILES)
    assert files_in(tmp_path) == old


@pytest.mark.parametrize("name", ["link/w.bin", "link.bin"])
def test_nothing_is_written_through_a_link_to_elsewhere(name: str, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "folder", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.mkdir()
    (elsewhere / "w.bin").write_bytes(b"kept")
    (folder / "link").symlink_to(elsewhere)
    (folder / "link.bin").symlink_to(elsewhere / "w.bin")
    with pytest.raises(PackedFileError, match="outside"):
        write_model(folder / "m.onnx", {"m.onnx": b"model", name: b"evil"})
    assert files_in(elsewhere) == {"w.bin": b"kept"} and not (folder / "m.onnx").exists()


def test_data_does_not_take_the_place_of_the_model(tmp_path: Path) -> None:
    with pytest.raises(PackedFileError):
        write_model(tmp_path / "other.onnx", {"m.onnx": b"model", "other.onnx": b"data"})
    assert files_in(tmp_path) == {}


INTERRUPTED_CHILD = """
import sys, time
from pathlib import Path
from edgecompress.packing.files import write_model
original = Path.write_bytes
def slow(self, data):
    original(self, data)
    if data == b"first":
        print("half", flush=True)
        time.sleep(60)
Path.write_bytes = slow
write_model(Path(sys.argv[1]) / "m.onnx", {"m.onnx": b"model", "a.bin": b"first", "b.bin": b"second"})
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_process_leaves_the_old_files(number: int, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"old")
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    child = [sys.executable, "-c", INTERRUPTED_CHILD, str(tmp_path)]
    heed = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - in the background of a shell it is ignored
    with subprocess.Popen(
        child, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, preexec_fn=heed
    ) as running:
        assert running.stdout is not None and running.stdout.readline() == "half\n"
        time.sleep(0.05)
        running.send_signal(number)
        running.wait(30)
    left = files_in(tmp_path)
    if number == signal.SIGKILL:  # nobody can tidy up then, but the names begin with a dot
        left = {name: content for name, content in left.items() if not name.startswith(".")}
    assert left == {"a.bin": b"old"}
