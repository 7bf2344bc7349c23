"""The command on a run and on a model file, and the mistakes that can be made with it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from edgecompress.cli.main import group
from edgecompress.recipes import parse_recipe

RECIPE = """
[model]
architecture = "lenet_300_100"
[data]
name = "digits"
[[compress]]
method = "iterative_pruning"
"""

RANGE = ("--input-range", "-1", "1")  # of what the architectures are trained on


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "lenet"
    options = ["--resolution", "8", "--data", "digits", "--epochs", "3", "--batch-size", "32", "--out", str(folder)]
    group.main(["train", "lenet_300_100", *options], standalone_mode=False)
    return folder


def test_a_run_is_scanned_on_its_own_data(cli, run_folder: Path) -> None:
    result = cli("sensitivity", run_folder, "--limit", "100", "--max-drop", "3")
    assert result.code == 0, result.err
    assert "fc1" in result.out and "digits training split, 100 of" in " ".join(result.out.split())
    assert "before any retraining" in " ".join(result.out.split())
    line = next(line for line in result.out.splitlines() if line.startswith("sparsities = "))
    recipe = parse_recipe(RECIPE + line)
    assert recipe.compress[0].options == tomllib.loads(line)
    document = json.loads((run_folder / "sensitivity.json").read_text())
    assert {each["layer"]: each["weights"] for each in document["layers"]} == {
        "fc1": 64 * 300,
        "fc2": 300 * 100,
        "predictions": 1000,
    }
    manifest = json.loads((run_folder / "manifest.json").read_text())
    assert {"sensitivity.json", "sensitivity.png"} <= set(manifest["files"])


def test_a_file_is_scanned_on_named_data_into_a_folder(cli, run_folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = run_folder / "models/dense.keras"
    result = cli("sensitivity", model, "--data", "digits", "--limit", "100", "--json", *RANGE)
    assert result.code == 0, result.err
    assert json.loads(result.out) == json.loads((tmp_path / "sensitivity/sensitivity.json").read_text())
    assert cli("sensitivity", model, "--data", "digits", "--limit", "20", "--out", tmp_path / "there", *RANGE).code == 0
    assert (tmp_path / "there/sensitivity.png").exists()


def test_mistakes_are_sentences(cli, run_folder: Path, tmp_path: Path) -> None:
    model = run_folder / "models/dense.keras"
    (tmp_path / "file").write_text("")
    mistakes = {
        "Images are needed": [model],
        "There is no data set": [model, "--data", "digitz", *RANGE],
        "There is no folder": [model, "--data", "mnist", "--data-dir", tmp_path / "none", *RANGE],
        "is not a run folder": [tmp_path, "--data", "digits"],
        "does not exist": [tmp_path / "none.h5", "--data", "digits", *RANGE],
        "Cannot write": [model, "--data", "digits", "--limit", "20", "--out", tmp_path / "file/there", *RANGE],
    }
    for message, arguments in mistakes.items():
        result = cli("sensitivity", *arguments)
        assert result.code == 1, (arguments, result)
        assert message in " ".join(result.err.split()), (message, result.err)
        assert "Traceback" not in result.err
    assert cli("sensitivity", model, "--limit", "0").code == 2
    assert cli("sensitivity", model, "--max-drop", "-1").code == 2


@pytest.mark.slow
def test_interrupting_leaves_no_file(run_folder: Path, tmp_path: Path) -> None:
    code = (
        "import os, signal\n"
        "from pathlib import Path; write = Path.write_bytes\n"
        "def interrupted(path, data):\n"
        "    write(path, data[:10]); os.kill(os.getpid(), signal.SIGINT)\n"
        "Path.write_bytes = interrupted\n"
        "from edgecompress.cli.main import main; main()\n"
    )
    arguments = [
        "sensitivity",
        run_folder / "models/dense.keras",
        "--data",
        "digits",
        "--limit",
        "20",
        "--out",
        tmp_path,
        *RANGE,
    ]
    ended = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert ended.returncode == 130, ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(tmp_path.iterdir())
