import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import edgecompress

CHECKOUT = Path(edgecompress.__file__).parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgecompress", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=CHECKOUT)


def test_prints_one_document_with_stable_keys():
    done = run("--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["healthy"]) == (0, True)
    assert all(set(check) == {"name", "state", "found", "mend", "needed"} for check in found["checks"])
    assert {check["state"] for check in found["checks"]} <= {"ok", "warn", "missing"}


def test_prints_a_table_and_then_the_commands():
    done = run()
    assert done.returncode == 0
    assert "tensorflow-model-optimization" in done.stdout
    assert "Everything that edgecompress needs is here." in done.stdout


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_ends_with_1_where_something_needed_is_missing(arguments, tmp_path):
    # without the metadata of TensorFlow, and so without TensorFlow as far as anyone can tell
    site = tmp_path / "site"
    site.mkdir()
    for entry in next(Path(path) for path in sys.path if path.endswith("site-packages")).iterdir():
        if not entry.name.startswith("tensorflow-2"):
            (site / entry.name).symlink_to(entry)
    variables = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{CHECKOUT}"}
    command = [sys.executable, "-S", "-P", "-m", "edgecompress", "doctor", *arguments]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "pip install tensorflow==" in done.stdout
    if arguments:
        assert json.loads(done.stdout)["healthy"] is False
    else:
        assert "Something that is needed is missing." in done.stdout
