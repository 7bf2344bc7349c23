"""A binary network from training to figures on real digits, and what can go wrong on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgecompress.cli.main import group

TRAIN = ["train", "quicknet", "--width", "0.5", "--blocks", "1", "--resolution", "8", "--data", "digits"]
TRAIN += ["--epochs", "2", "--finetune-epochs", "3", "--batch-size", "32"]
TARGETS = ["--to", "tflite:float32", "--to", "tflite:binary", "--to", "onnx:binary"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "quicknet"
    for arguments in ([*TRAIN, "--binary", "bnn", "--out", folder], ["convert", folder, *TARGETS]):
        group.main([str(argument) for argument in arguments], standalone_mode=False)
    return folder


def test_the_binary_variant_alone_becomes_binary_files(run_folder: Path) -> None:
    names = {path.name for path in (run_folder / "artifacts").iterdir()}
    assert names == {
        "dense.float32.tflite", "compressed.float32.tflite", "compressed.binary.tflite", "compressed.binary.onnx",
    }  # fmt: skip
    sizes = {name: (run_folder / "artifacts" / name).stat().st_size for name in names}
    assert sizes["compressed.binary.tflite"] < sizes["dense.float32.tflite"] / 12


def test_quicknet_keeps_its_own_keep_float(run_folder: Path) -> None:
    notes = {note["layer"]: note["action"] for note in json.loads((run_folder / "notes.json").read_text())}
    assert notes["transition2_conv"] == notes["stem"] == notes["scores"] == "kept float"
    assert notes["section2_block1_conv"] == "binarized"


def test_verify_compares_with_and_without_kernels(cli, run_folder: Path) -> None:
    result = cli("verify", run_folder, "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    runtimes = {check["target"]: check["runtime"] for check in found["artifacts"]}
    assert all("with edgecompress kernels (" in runtimes[target] for target in ("tflite:binary", "onnx:binary"))
    parity = {each["precision"]: each for each in found["parity"]}
    assert parity["binary"]["equal_argmax"] == parity["binary without kernels"]["equal_argmax"] == 100


def test_profile_says_which_kernels_it_measured(cli, quick, run_folder: Path) -> None:
    file = run_folder / "artifacts" / "compressed.binary.tflite"
    result = cli("profile", file, "--json")
    assert result.code == 0, result.err
    (measurement,) = json.loads(result.out)["measurements"]
    assert "with edgecompress kernels (" in measurement["runtime"]
    refused = cli("profile", file, "--runner", "python")
    assert refused.code == 1 and "--runner native" in refused.err


def test_a_float_file_with_binary_kernels_is_a_source_as_well(cli, run_folder: Path, tmp_path: Path) -> None:
    source = run_folder / "artifacts" / "compressed.float32.tflite"
    result = cli("convert", source, "--to", "tflite:binary", "--to", "onnx:binary", "--out", tmp_path)
    assert result.code == 0, result.err
    again = cli(
        "convert", tmp_path / "compressed.float32.binary.tflite", "--to", "onnx:binary", "--out", tmp_path / "b"
    )
    assert again.code == 0, again.err
    refused = cli("convert", source, "--to", "tflite:int8", "--out", tmp_path / "c")
    assert refused.code == 1 and "tflite:binary" in refused.err and not (tmp_path / "c").exists()


def test_a_network_that_is_not_binary_is_refused(cli, run_folder: Path, tmp_path: Path) -> None:
    result = cli("convert", run_folder, "--variant", "dense", "--to", "tflite:binary")
    assert result.code == 1 and "--binary" in result.err
    plain = run_folder / "artifacts" / "dense.float32.tflite"
    result = cli("convert", plain, "--to", "onnx:binary", "--out", tmp_path)
    assert result.code == 1 and "No layer of the model has a binary kernel" in result.err


def test_integer_doors_are_refused(cli, run_folder: Path) -> None:
    result = cli("convert", run_folder, "--to", "tflite:binary", "--io", "int8")
    assert result.code == 1 and "--io int8" in result.err


@pytest.mark.parametrize("content", [b"", b"\x1c\x00\x00\x00TFL3", b"not a model"])
@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
def test_files_that_are_none_are_refused_in_a_sentence(cli, suffix: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / f"model.{suffix}"
    file.write_bytes(content)
    result = cli("convert", file, "--to", "onnx:binary", "--out", tmp_path / "out")
    assert result.code == 1 and "Traceback" not in result.err and file.name in result.err
    assert not (tmp_path / "out").exists()


def test_the_kernels_for_an_application(cli, tmp_path: Path) -> None:
    result = cli("kernels", "--machine", "aarch64", "--out", tmp_path, "--json")
    assert result.code == 0, result.err
    names = {Path(path).name for path in json.loads(result.out)["files"]}
    assert names == {path.name for path in tmp_path.iterdir()} and "libedgecompress_binary.so" in names
    assert (tmp_path / "libedgecompress_binary.so").read_bytes()[18] == 183  # an ELF file for aarch64
