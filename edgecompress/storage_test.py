"""Files appear whole or not at all; values come back from JSON as they were."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgecompress.errors import RunFolderError
from edgecompress.storage import (
    from_json,
    is_part,
    remove_parts,
    sha256_of,
    to_json,
    write_bytes,
    write_text,
    written_whole,
)
from edgecompress.values import Artifact, LayerNote, Preprocessing, QuantScheme, TensorSpec

ARTIFACT = Artifact(
    path="artifacts/dense.int8.tflite",
    target="tflite:int8",
    variant="dense",
    inputs=(TensorSpec("image", (1, 8, 8, 1), "int8", QuantScheme((0.5,), (-128,))),),
    outputs=(TensorSpec("scores", (1, 10), "int8", QuantScheme((1 / 256,), (-128,))),),
    size_bytes=12,
    sha256="0" * 64,
    preprocessing=Preprocessing(8, 8, 1, labels=("zero", "one")),
    float_layers=(LayerNote("gate", "kept float", "no int8 form", {"sparsity": 0.5}),),
)


def test_values_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "artifacts.json"
    write_text(path, to_json([ARTIFACT]))
    assert from_json(list[Artifact], path) == [ARTIFACT]


def test_numbers_that_are_not_finite_come_back(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    write_text(path, to_json([LayerNote("gate", "kept float", figures={"a": math.inf, "b": -math.inf, "c": math.nan})]))
    json.loads(path.read_text(), parse_constant=pytest.fail)  # every reader of JSON takes it
    (found,) = from_json(list[LayerNote], path)
    assert (found.figures["a"], found.figures["b"]) == (math.inf, -math.inf) and math.isnan(found.figures["c"])


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")
    with pytest.raises(ValueError, match="half-way"), written_whole(path) as beside:
        beside.write_bytes(b"ne")
        raise ValueError("half-way")
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"]


FULL = """
import resource, sys
from pathlib import Path
from edgecompress.errors import RunFolderError
from edgecompress.storage import write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # the system refuses the rest of a file, as on a full disk
try:
    write_bytes(Path(sys.argv[1]), b"x" * 5000)
except RunFolderError as error:
    assert "Cannot write" in error.message and "has room" in error.hint
else:
    raise AssertionError
"""


def test_a_disk_that_fills_up_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path / "model.tflite")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())


def test_an_unwritable_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="Cannot write"):
        write_text(tmp_path / "file" / "below.json", "text")


def test_a_damaged_file_is_named_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "artifacts.json"
    path.write_text('[{"path": 3}]')
    with pytest.raises(RunFolderError, match=r"artifacts\.json' is damaged"):
        from_json(list[Artifact], path)
    with pytest.raises(RunFolderError, match="Cannot read"):
        from_json(list[Artifact], tmp_path / "missing.json")


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    write_bytes(tmp_path / "abc", b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert os.access(tmp_path / "abc", os.R_OK)


KILLED = """
import os, signal, sys
from pathlib import Path
from edgecompress.storage import written_whole
with written_whole(Path(sys.argv[1])) as beside:
    beside.write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["model.tflite", "manifest", ".hidden", "x" * 200 + ".h5"])
def test_what_a_killed_writer_leaves_is_told_apart_and_removed(tmp_path: Path, name: str) -> None:
    kept = tmp_path / ".model-abcdefgh.tflite"
    kept.write_text("the user's own")
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "below" / name)], check=False)
    (left,) = (tmp_path / "below").iterdir()
    assert is_part(left) and not is_part(kept) and not is_part(tmp_path / name)
    remove_parts(tmp_path)
    assert not list((tmp_path / "below").iterdir()) and kept.exists()


def test_only_ordinary_files_are_replaced(tmp_path: Path) -> None:
    """Renamed to the name of a device, as root can, a file would take its place for every program."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for path in (tmp_path / "pipe", tmp_path / "null", Path("/dev/null"), Path("/dev/stdout"), tmp_path):
        with pytest.raises(RunFolderError, match=r"it is (no ordinary file|a folder)"):
            write_bytes(path, b"content")
    assert Path("/dev/null").is_char_device()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_bytes(tmp_path / "link", b"content")
    assert (tmp_path / "file").read_bytes() == b"" and (tmp_path / "link").read_bytes() == b"content"


def test_a_name_that_is_too_long_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"Cannot write .*: File name too long"):
        write_bytes(tmp_path / ("x" * 300), b"")


def test_names_that_are_not_utf_8_become_escapes(tmp_path: Path) -> None:
    (path := tmp_path / "value.json").write_text(to_json({"file": "\udcff.tflite", "size": 3}))
    assert json.loads(path.read_bytes()) == {"file": "\udcff.tflite", "size": 3}
