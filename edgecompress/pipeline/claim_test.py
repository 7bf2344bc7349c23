"""Run folders: taken when there is something to keep, corrected commands go on in them, and nothing is mistaken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.errors import DataError, MethodError, RunFolderError, TrainingError
from edgecompress.locking import locked
from edgecompress.pipeline.train import load_for, train
from edgecompress.pipeline.verify import verify_run
from edgecompress.recipes import Recipe, build_recipe, load_recipe
from edgecompress.runs.folder import FORMAT, RunFolder
from edgecompress.storage import sha256_of
from edgecompress.tasks import ONE_CLASS
from edgecompress.values import Artifact

PRUNE: dict[str, Any] = {"method": "magnitude_pruning", "options": {"sparsity": 0.5}, "epochs": 1}
SHARE: dict[str, Any] = {"method": "kmeans_sharing", "options": {"clusters": 8}, "epochs": 1}


def recipe(*compress: dict[str, Any], data: str = "digits", **training: Any) -> Recipe:
    return build_recipe(
        {
            "model": {"architecture": "lenet_300_100", "resolution": 8},
            "data": {"name": data},
            "train": {"epochs": 1, "batch_size": 512, **training},
            "compress": compress,
        }
    )


# Its first epoch ends at no number; the bounds of recipes would not let such a rate through.
DIVERGING = recipe().model_copy(update={"train": recipe().train.model_copy(update={"learning_rate": 1e30})})


def trained(folder: Path, given: Recipe, *, resume: bool = False) -> list[str]:
    lines: list[str] = []
    train(given, folder, resume=resume, tell=lines.append)
    return lines


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("claim") / "run"
    train(recipe(PRUNE), folder)
    return folder


@pytest.fixture
def held(run_folder: Path, tmp_path: Path) -> Path:
    subprocess.run(["cp", "-r", str(run_folder), str(tmp_path / "held")], check=True)
    return tmp_path / "held"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (recipe({**PRUNE, "layers": "fc9"}), MethodError),
        (recipe(data="folder:/nowhere"), DataError),
        (recipe({"method": "product_quantization", "epochs": 3}), Exception),
        (DIVERGING, TrainingError),
    ],
)
def test_what_comes_to_nothing_leaves_nothing_and_a_corrected_command_works(wrong, error, tmp_path: Path) -> None:
    with pytest.raises(error):
        train(wrong, tmp_path / "runs" / "run")
    assert not list(tmp_path.iterdir())


def test_an_interrupt_in_the_first_epoch_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(sentence: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe(), tmp_path / "run", tell=interrupt)
    assert not list(tmp_path.iterdir())


def test_a_folder_in_which_nothing_was_finished_is_free(tmp_path: Path) -> None:
    """As `kill -9` leaves it in the first epoch: with a part of a file, and a recipe that may not even be valid."""
    (tmp_path / "recipe.toml").write_text("[model]\narchitecture = 'gone'\n")
    (tmp_path / "history.jsonl").touch()
    (tmp_path / "checkpoints" / "dense-0").mkdir(parents=True)
    (tmp_path / "checkpoints" / "dense-0" / ".edgecompress-part-abcd1234.npz").write_text("half")
    trained(tmp_path, recipe())
    assert "models/dense.keras" in names(tmp_path) and not [name for name in names(tmp_path) if "-part-" in name]


def test_what_is_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "history.txt").touch()
    with pytest.raises(RunFolderError, match="not empty and not a run"):
        train(recipe(), tmp_path)
    assert names(tmp_path) == {"history.txt"}


def test_the_same_command_wants_to_resume_and_then_changes_no_model(held: Path) -> None:
    with pytest.raises(RunFolderError, match="holds a run already"):
        train(recipe(PRUNE), held)
    before = {path.name: sha256_of(path) for path in (held / "models").iterdir()}
    lines = trained(held, recipe(PRUNE), resume=True)
    assert [line.partition(":")[2] for line in lines] == [" all epochs were finished before, and are kept"] * 2
    assert {path.name: sha256_of(path) for path in (held / "models").iterdir()} == before


def test_a_training_of_an_earlier_version_is_not_gone_on_with(held: Path) -> None:
    manifest = json.loads((held / "manifest.json").read_text())
    assert manifest.pop("format") == FORMAT
    (held / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunFolderError, match="of an earlier version, which trained models of Keras 2"):
        trained(held, recipe(PRUNE), resume=True)


def test_another_chain_keeps_the_dense_training_and_the_steps_that_are_the_same(held: Path, tmp_path: Path) -> None:
    lines = trained(held, recipe(PRUNE, SHARE))
    assert lines[0] == "Removed, as an earlier chain of methods had made it: models/compressed.keras, notes.json"
    assert lines[1].startswith("dense: all epochs") and lines[2].startswith("1-magnitude_pruning: all epochs")
    assert lines[3] == "2-kmeans_sharing: 1 epoch" and lines[4].startswith("2-kmeans_sharing: epoch 1/1, loss")
    trained(tmp_path / "anew", recipe(PRUNE, SHARE))
    assert (held / "history.jsonl").read_text() == (tmp_path / "anew" / "history.jsonl").read_text()
    back = trained(held, recipe(PRUNE))  # nothing is trained twice
    assert all("are kept" in line for line in back[1:])
    assert load_recipe(held / "recipe.toml").compress == recipe(PRUNE).compress
    changed = trained(held, recipe({**PRUNE, "options": {"sparsity": 0.9}}))
    assert changed[1].startswith("dense: all epochs") and changed[2] == "1-magnitude_pruning: 1 epoch"


def test_files_of_an_earlier_chain_are_removed_only_when_told_to(held: Path) -> None:
    run = RunFolder(held)
    run.artifacts.mkdir()
    artifacts = []
    for variant in ("dense", "compressed"):
        path = run.artifacts / f"{variant}.float32.tflite"
        path.write_bytes(variant.encode())
        name = str(path.relative_to(held))
        artifacts.append(Artifact(name, "tflite:float32", variant, (), (), len(variant), sha256_of(path)))
    run.write("artifacts", artifacts)
    before = {name: sha256_of(held / name) for name in names(held)}
    with pytest.raises(RunFolderError, match=r"artifacts/compressed\.float32\.tflite") as caught:
        train(recipe(SHARE), held)
    assert "--resume" in caught.value.hint and {name: sha256_of(held / name) for name in names(held)} == before
    trained(held, recipe(SHARE), resume=True)
    assert [each.variant for each in run.read_artifacts()] == ["dense"]
    assert {path.name for path in run.artifacts.iterdir()} == {"dense.float32.tflite"}


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (recipe(PRUNE, epochs=2), r"\[train\] epochs is 1 there and 2 here"),
        (recipe(PRUNE, seed=3), r"\[train\] seed is 0 there and 3 here"),
    ],
)
def test_another_dense_training_is_refused_with_what_differs(other, said, held: Path) -> None:
    for resume in (False, True):
        with pytest.raises(RunFolderError, match=said):
            train(other, held, resume=resume)


def test_the_data_s_hash_is_in_the_manifest_and_other_data_is_refused(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    arrays = {"x": generator.integers(0, 256, (40, 8, 8), np.uint8), "y": np.arange(40) % 2}
    np.savez(tmp_path / "data.npz", **arrays)
    given = recipe(data=f"npz:{tmp_path / 'data.npz'}")
    run = train(given, tmp_path / "run")
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert manifest["data"] == json.loads((run.path / "data.json").read_text())
    assert len(manifest["data"]["sha256"]) == 64 and manifest["data"]["train_images"] == 32
    load_for(given, run.intake(), ONE_CLASS, run=run)
    arrays["x"][0, 0, 0] ^= 1  # a single pixel
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(DataError, match=r"is not what '.*' was trained on"):
        load_for(given, run.intake(), ONE_CLASS, run=run)
    run.write("artifacts", [])
    with pytest.raises(DataError, match="was trained on"):
        verify_run(run)
    with pytest.raises(RunFolderError, match="has others now"):
        train(given, run.path, resume=True)


HOLD = """
import sys
from pathlib import Path
from edgecompress.locking import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_in_one_run_is_refused(held: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(held)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        for work in (lambda: train(recipe(PRUNE), held, resume=True), lambda: verify_run(RunFolder(held))):
            with pytest.raises(RunFolderError, match="Another edgecompress is at work"):
                work()
        other.kill()
    with locked(held):
        pass


def test_no_part_of_a_file_is_in_a_manifest(held: Path) -> None:
    (held / "models" / ".edgecompress-part-abcd1234.h5").write_text("half")
    (held / "models" / ".edgecompress-of-the-user.h5").write_text("whole")
    RunFolder(held).write("notes", [])
    files = json.loads((held / "manifest.json").read_text())["files"]
    assert "models/.edgecompress-of-the-user.h5" in files and not [name for name in files if "-part-" in name]
    assert (held / "models" / ".edgecompress-part-abcd1234.h5").exists()  # only the next start removes it
