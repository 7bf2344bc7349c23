"""The commands from training to profiling on real digits, as a person would call them, and what goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgecompress.cli.main import group
from edgecompress.numerics.paired import paired_drop
from edgecompress.verification import unpacked

TRAIN = [
    "train",
    "lenet_5",
    "--resolution",
    "16",
    "--data",
    "digits",
    "--epochs",
    "3",
    "--finetune-epochs",
    "2",
    "--batch-size",
    "32",
]


TARGETS = ["--to", "tflite:float32", "--to", "tflite:int8", "--to", "onnx:float32", "--to", "onnx:int8"]


def edgecompress(*arguments: object) -> None:
    group.main([str(argument) for argument in arguments], standalone_mode=False)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    """A small network: trained, pruned, quantization-aware, converted."""
    folder = tmp_path_factory.mktemp("run") / "lenet"
    edgecompress(*TRAIN, "--prune", "0.8", "--qat", "--out", folder)
    edgecompress("convert", folder, *TARGETS)
    return folder


@pytest.mark.slow
def test_the_run_folder_holds_everything(run_folder: Path) -> None:
    names = {str(path.relative_to(run_folder)) for path in run_folder.rglob("*") if path.is_file()}
    assert {"recipe.toml", "history.jsonl", "notes.json", "preprocessing.json", "artifacts.json"} <= names
    assert {
        f"artifacts/{v}.{p}.{f}"
        for v in ("dense", "compressed")
        for p in ("float32", "int8")
        for f in ("tflite", "onnx")
    } <= names
    manifest = json.loads((run_folder / "manifest.json").read_text())
    assert manifest["versions"]["tensorflow"] and set(manifest["files"]) == names - {"manifest.json"} - {
        name for name in names if name.startswith("checkpoints/")
    }
    assert not [name for name in names if Path(name).name.startswith(".")]


@pytest.mark.slow
def test_verify_reports_and_gates(cli, run_folder: Path) -> None:
    result = cli("verify", run_folder, "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert len(found["artifacts"]) == 8 and found["keras"]["dense"]["percent"] > 80
    for check in found["artifacts"]:
        # Float files agree on every image; int8 ones may differ where two classes are within a step of each other.
        assert check["keras_agreement"] == 100 if "float32" in check["target"] else check["keras_agreement"] > 95
    for parity in found["parity"]:
        assert parity["equal_argmax"] == 100
        if parity["precision"] == "int8":
            assert parity["largest_steps"] <= 1 and parity["equal_outputs"] >= 99.9
    gated = cli("verify", run_folder, "--limit", "50", "--max-drop", "100", "--max-steps", "1", "--min-argmax", "95")
    assert gated.code == 0


@pytest.mark.slow
def test_verify_by_families_of_kernels_is_of_these_files_and_says_so(cli, run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    result = cli("verify", folder, "--kernels", "xnnpack,builtin,reference", "--json")
    assert result.code == 0
    found = json.loads(result.out)
    hashes = {each["path"]: each["sha256"] for each in json.loads((folder / "artifacts.json").read_text())}
    assert {check["artifact"]: check["sha256"] for check in found["artifacts"]} == hashes
    tflite = {path for path in hashes if path.endswith(".tflite")}
    assert {(each["artifact"], each["kernels"]) for each in found["kernels"]} == {
        (path, family) for path in tflite for family in ("builtin", "reference")
    }
    assert [parity["kernels"] for parity in found["parity"]] == ["xnnpack", "builtin", "reference"] * len(tflite)
    samples = found["keras"]["dense"]["samples"]
    dense = unpacked(found["keras_right"]["dense"], samples)
    for check in found["artifacts"]:
        right = unpacked(check["right"], samples)
        assert 100 * right.mean() == pytest.approx(check["accuracy"]["percent"])
        paired = paired_drop(dense, right)
        assert (check["paired"]["lost"], check["paired"]["won"]) == (paired.lost, paired.won)
        assert check["drop"] == pytest.approx(paired.points) and not check["garbage"]
    edgecompress("convert", folder, "--to", "tflite:int8", "--io", "int8", "--variant", "dense")
    page = cli("report", folder, "--json")
    assert page.code == 0
    current = {each["path"]: each["sha256"] for each in json.loads((folder / "artifacts.json").read_text())}
    for row in json.loads(page.out)["rows"]:
        assert (row["accuracy"] is None) == (hashes.get(row["artifact"]) != current[row["artifact"]])


@pytest.mark.slow
def test_a_limit_that_is_not_met_ends_with_3(cli, tmp_path: Path) -> None:
    """With one weight in two hundred left, the network is far worse than the dense one."""
    folder = tmp_path / "ruined"
    edgecompress(*TRAIN, "--prune", "0.995", "--out", folder)
    edgecompress("convert", folder, "--to", "tflite:float32")
    result = cli("verify", folder, "--max-drop", "1", "--json")
    assert result.code == 3
    assert "compressed.float32.tflite" in result.err and "dense.float32.tflite" not in result.err
    json.loads(result.out)


@pytest.mark.slow
def test_stray_files_are_left_out_and_named(cli, run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    listed = [each["path"] for each in json.loads((folder / "artifacts.json").read_text())]
    assert "Left out" not in cli("verify", folder, "--limit", "20").err
    (folder / "artifacts/older").mkdir()
    shutil.copy(folder / listed[0], folder / "artifacts/older/dense.tflite")
    for name in ("notes.txt", ".DS_Store", "broken.onnx"):
        (folder / "artifacts" / name).write_bytes(b"no model")
    said = "Note: Left out, as artifacts.json does not list it: artifacts/broken.onnx, artifacts/notes.txt, "
    for words in (["--limit", "20"], ["--limit", "5", "--on", "local"]):
        result = cli("verify", folder, *words, "--json")
        found = json.loads(result.out)
        assert result.code == 0 and f"{said}artifacts/older/dense.tflite." in " ".join(result.err.split())
        assert [each["artifact"] for each in found.get("artifacts") or found["agreements"]] == listed
    assert cli("sensitivity", folder, "--limit", "20").code == 0  # which looks at the dense model alone


@pytest.mark.slow
def test_a_file_that_was_changed_or_lost_is_noticed(cli, quick, run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    file = folder / "artifacts/dense.int8.tflite"
    file.write_bytes(file.read_bytes() + b"more")
    assert "was changed since" in " ".join(cli("verify", folder).err.split())
    file.unlink()
    assert "is missing" in " ".join(cli("profile", folder, "--processes", "1").err.split())


@pytest.mark.slow
def test_the_models_of_a_run_are_inspected_by_their_variant(cli, run_folder: Path) -> None:
    for words, name in (((), "compressed.keras"), (("--variant", "dense"), "dense.keras")):
        found = json.loads(cli("inspect", run_folder, *words, "--json").out)
        assert Path(found["file"]).name == name and found["parameters"] > 0
    assert "has no best model. It has: dense, compressed." in cli("inspect", run_folder, "--variant", "best").err
    assert "is not a run folder" in cli("inspect", run_folder / "artifacts").err
    result = cli("inspect", run_folder / "models/dense.keras", "--variant", "dense")
    assert result.code == 2 and "--variant is for run folders" in " ".join(result.err.split())


@pytest.mark.slow
def test_a_second_run_with_one_seed_gives_the_same_bytes(run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    edgecompress(*TRAIN, "--prune", "0.8", "--qat", "--out", folder)
    edgecompress("convert", folder, *TARGETS)
    for path in sorted((run_folder / "artifacts").iterdir()):
        assert path.read_bytes() == (folder / "artifacts" / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_profile_measures_every_file(cli, quick, run_folder: Path) -> None:
    result = cli("profile", run_folder, "--processes", "2", "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert len(found["measurements"]) == len(list((run_folder / "artifacts").iterdir())) and not found["failures"]
    for measurement in found["measurements"]:
        assert measurement["processes"] == 2 == len(measurement["load_ns"]) == len(measurement["samples_ns"])
        steady = measurement["steady"]
        assert 0 < steady["p5_ns"] <= steady["p50_ns"] <= steady["p90_ns"] <= steady["p99_ns"]
        assert steady["p50_low_ns"] <= steady["p50_ns"] <= steady["p50_high_ns"]
    assert cli("profile", run_folder, "--on", "moon").code == 1


@pytest.mark.slow
def test_training_resumes_after_kill_9(cli, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    edgecompress(*TRAIN, "--prune", "0.5", "--out", whole)
    command = [*TRAIN, "--prune", "0.5", "--out", str(killed)]
    child = subprocess.Popen([sys.executable, "-m", "edgecompress", *command])
    history = killed / "history.jsonl"
    deadline = time.monotonic() + 300
    while not (history.exists() and len(history.read_text().splitlines()) >= 4):  # in the middle of the pruning stage
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    refused = cli(*command)
    assert refused.code == 1 and "--resume" in refused.err
    assert cli(*command, "--resume").code == 0
    assert history.read_text() == (whole / "history.jsonl").read_text()
    for model in ("dense.keras", "compressed.keras"):
        assert (whole / "models" / model).read_bytes() == (killed / "models" / model).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_interrupting_leaves_a_run_that_resumes(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgecompress", *TRAIN, "--epochs", "50", "--out", str(tmp_path / "run")]
    # Where the tests run in the background of a shell, SIGINT is ignored, and that would be inherited.
    child = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    history = tmp_path / "run" / "history.jsonl"
    deadline = time.monotonic() + 300
    # What is said of an epoch comes after its record, and before the next one.
    while not (history.exists() and len(history.read_text().splitlines()) > 1):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 128 + number, err
    assert f"go on with: edgecompress {' '.join(TRAIN)}" in err and "--resume" in err and "Traceback" not in err
    line = next(line for line in err.splitlines() if line.startswith("dense: epoch 1/50, loss "))
    assert "held out" in line and "elapsed, about" in line and line.endswith("remaining")


@pytest.mark.slow
def test_sparse_is_refused_where_it_means_nothing(cli, run_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run_folder, folder)
    result = cli("convert", folder, "--to", "tflite:dynamic", "--sparse", "--variant", "compressed")
    assert result.code == 1 and "--sparse is for tflite:float32" in result.err.replace("\n", " ")
    assert not (folder / "artifacts/compressed.dynamic.tflite").exists()
    assert cli("convert", folder, "--to", "tflite:float32", "--sparse", "--variant", "compressed").code == 0


def test_mistakes_are_sentences(cli, tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    mistakes = {
        "is a SavedModel": ["convert", tmp_path / "saved", "--to", "tflite:float32"],
        "There is no architecture": ["train", "resnet", "--out", tmp_path / "a"],
        "got width 0": ["train", "mobilenet_v1", "--width", "0", "--out", tmp_path / "b"],
        "too small for its strides": ["train", "mobilenet_v1", "--resolution", "4", "--out", tmp_path / "c"],
        "has no option 'width'": ["train", "lenet_5", "--width", "0.5", "--out", tmp_path / "d"],
        "There is no data set": ["train", "lenet_5", "--data", "fasion_mnist", "--out", tmp_path / "e"],
        "sparsity 1.5": ["train", "lenet_5", "--prune", "1.5", "--out", tmp_path / "f"],
        "There is no weights file": ["train", "lenet_5", "--weights", tmp_path / "none.h5", "--out", tmp_path / "g"],
        "is not a run folder": ["verify", tmp_path],
        "There is no '": ["convert", tmp_path / "none.h5", "--to", "tflite:int8"],
        "There is no target": ["convert", tmp_path, "--to", "tflite:int3"],
        "Cannot read the recipe": ["run", tmp_path / "none.toml"],
    }
    for message, arguments in mistakes.items():
        result = cli(*arguments)
        assert result.code == 1, (arguments, result)
        assert message in " ".join(result.err.split()), (message, result.err)
        assert "Traceback" not in result.err
    assert not [path for path in tmp_path.rglob("*") if path.suffix in {".h5", ".tflite", ".npz"}]


def test_an_unwritable_or_occupied_folder_is_a_sentence(cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "Cannot write" in " ".join(cli(*TRAIN, "--out", tmp_path / "file" / "run").err.split())
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("")
    assert "not empty and not a run" in " ".join(cli(*TRAIN, "--out", tmp_path / "photos").err.split())
