"""Every command with arguments that are wrong in every way: a sentence, exit code 1 or 2, no file, and no waiting."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TRAIN = ("train", "lenet_5", "--resolution", "16", "--epochs", "0")
READERS = {
    "inspect": lambda path: ["inspect", "--", path],
    "pack": lambda path: ["pack", "-o", "made", "--", path],
    "unpack": lambda path: ["unpack", "-o", "made", "--", path],
    "convert": lambda path: ["convert", "--to", "tflite:float32", "--out", "made", "--", path],
    "verify": lambda path: ["verify", "--", path],
    "profile": lambda path: ["profile", "--processes", "1", "--", path],
    "compare": lambda path: ["compare", "--", path, path],
    "report": lambda path: ["report", "--", path],
    "sensitivity": lambda path: ["sensitivity", "--data", "digits", "--out", "made", "--", path],
    "run": lambda path: ["run", "--out", "made", "--", path],
    "weights": lambda path: [*TRAIN, "--out", "made", "--weights", path],
    "data": lambda path: [*TRAIN, "--out", "made", "--data", path],
    "folder data": lambda path: [*TRAIN, "--out", "made", "--data", f"folder:{path}"],
    "npz data": lambda path: [*TRAIN, "--out", "made", "--data", f"npz:{path}"],
    "calibration": lambda path: ["convert", "missing.h5", "--to", "tflite:int8", "--calibrate", f"folder:{path}:3"],
}
FILES = (
    *("missing", "folder", "pipe", "loop", "/dev/null", "/dev/zero", "text.h5", "empty.tflite", "empty.onnx"),
    *("empty.keras", "empty.h5", "two words\n😀.tflite", "-dash.tflite", "x" * 5000, "\udcff.tflite"),
    *("~nobody-at-all/x.h5", "damaged run", "run that leads out"),
)
FIGURES = {
    TRAIN: (
        *("--learning-rate", "--warmup-epochs", "--prune", "--prune-latency", "--cluster", "--seed", "--batch-size"),
        *("--resolution", "--channels", "--dropout", "--finetune-epochs", "--n-of-m"),
    ),
    ("zoo", "mobilenet_v1"): ("--width", "--resolution", "--classes", "--channels"),
    ("zoo", "quicknet"): ("--width", "--blocks"),
    ("zoo", "bnn_mlp"): ("--units",),
    ("profile", "missing.tflite"): ("--threads", "--processes", "--sustained", "--cores", "--on"),
    ("compare", "missing.tflite", "missing.tflite"): ("--threads", "--processes"),
    ("verify", "damaged run"): ("--max-drop", "--limit"),
    ("sensitivity", "damaged run"): ("--max-drop", "--limit"),
    ("unpack", "missing"): ("--limit",),
}
NO_FIGURES = ("nan", "inf", "-inf", "1e999", "-1", "9" * 30, "9" * 5000, "", "x", "٣x")
ON_THEIR_OWN = (
    [*TRAIN, "--block", "2", "2"],
    [*TRAIN, "--block", "0", "4", "--prune", "0.5"],
    [*TRAIN, "--prune", "80"],
    [*TRAIN, "--n-of-m", "2:4", "--prune", "0.5"],
    [*TRAIN, "--n-of-m", "4:2"],
    [*TRAIN, "--method", "bnn", "--qat"],
    [*TRAIN, "--method", "bnn(keep_float=a)"],
    [*TRAIN, "--layers", "conv.*"],
    [*TRAIN, "--prune", "0.5", "--layers", "conv9"],
    [*TRAIN, "--prune", "0.5", "--layers", "("],
    [*TRAIN, "--qat", "--keep-float", "conv9"],
    [*TRAIN, "--keep-float", "conv1"],
    [*TRAIN, "--prune-schedule", "constant"],
    [*TRAIN, "--prune-latency", "0.8"],
    [*TRAIN, "--cluster", "1000000"],
    [*TRAIN, "--binary", "bnn", "--qat"],
    [*TRAIN, "--out", "/dev/null", "--prune", "0.5"],
    [*TRAIN, "--out", "text.h5/below"],
    [*TRAIN, "--out", "/proc/run"],
    [*TRAIN, "--out", "x" * 5000],
    ["pack", "text.h5", "-o", "/dev/null"],
    ["pack", "text.h5", "-o", "/dev/stdout"],
    ["pack", "text.h5", "-o", "pipe"],
    ["pack", "text.h5", "-o", "text.h5"],
    ["kernels", "--out", "text.h5"],
    ["profile", "missing.tflite", "--on", "ssh:nobody@nowhere.invalid"],
    ["profile", "missing.tflite", "--on", "local", "--on", "local"],
    ["devices", "clean", "--on", "moon"],
    ["train", ""],
    ["convert", "missing.h5"],
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch) -> Path:
    """A folder with everything that is not what a command wants; the commands run in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo("pipe")
    Path("loop").symlink_to("loop")
    Path("text.h5").write_text("no model")
    for name in ("empty.tflite", "empty.onnx", "empty.keras", "empty.h5", "-dash.tflite"):
        Path(name).touch()
    Path("two words\n😀.tflite").write_bytes(b"\0\0\0\0TFL3")
    for name, recipe, artifacts in (("damaged run", "nonsense", "["), ("run that leads out", "", '[{"path": "../x"}]')):
        Path(name).mkdir()
        Path(name, "recipe.toml").write_text(recipe)
        Path(name, "artifacts.json").write_text(artifacts)
    return tmp_path


def refused(cli, place: Path, arguments: list[str]) -> None:
    before = sorted(place.rglob("*"))
    result = cli(*arguments)
    assert result.code in (1, 2), (arguments, result)
    # What takes long on a busy machine says that it goes on, before the error.
    said = [line for line in result.err.splitlines() if line.startswith("Error: ")]
    assert len(said) == 1 and "Traceback" not in result.err, (arguments, result.err)
    assert sorted(place.rglob("*")) == before, arguments
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("reader", READERS)
def test_what_cannot_be_read(cli, place: Path, reader: str) -> None:
    for path in FILES:
        if not (reader == "pack" and (place / path[:200]).is_file()):  # which packs anything
            refused(cli, place, READERS[reader](path))


@pytest.mark.parametrize("command", FIGURES, ids=lambda command: " ".join(command[:2]))
def test_figures_that_are_none(cli, place: Path, command: tuple[str, ...]) -> None:
    for option in FIGURES[command]:
        for figure in NO_FIGURES:
            if (option, figure) not in {("--n-of-m", ""), ("--cores", "")}:
                refused(cli, place, [*command, *(["--out", "made"] if command == TRAIN else []), option, figure])


@pytest.mark.parametrize("arguments", ON_THEIR_OWN, ids=lambda arguments: " ".join(arguments[-4:])[:60])
def test_what_does_not_go_together_or_nowhere(cli, place: Path, arguments: list[str]) -> None:
    refused(cli, place, arguments)
