"""What is wrong with a recipe is said before anything is trained or written; and what is right is done once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgecompress.devices.probe import probe
from edgecompress.devices.ways.local import LocalTransport
from edgecompress.errors import ConversionError, DeviceError, EdgeCompressError, MethodError, RecipeError
from edgecompress.packing.container import unpack
from edgecompress.pipeline import check
from edgecompress.pipeline.check import check_rest, check_training
from edgecompress.pipeline.run import run_recipe
from edgecompress.profiling.readiness import check as readiness
from edgecompress.profiling.readiness.check_test import Board
from edgecompress.profiling.runner.about import About
from edgecompress.recipes import Recipe, build_recipe, load_recipe

PRUNE = {"method": "magnitude_pruning", "epochs": 1}
VECTORS = {"method": "product_quantization", "options": {"words": 16}}


def recipe(*compress: dict[str, Any], **sections: Any) -> Recipe:
    return build_recipe(
        {
            "model": {"architecture": "lenet_300_100", "resolution": 8},
            "data": {"name": "digits"},
            "train": {"epochs": 1, "batch_size": 512},
            "compress": compress,
            **sections,
        }
    )


WRONG = [
    (recipe({**VECTORS, "epochs": 2}), RecipeError, "Step 1, product_quantization, trains nothing"),
    (recipe(PRUNE, {**VECTORS, "learning_rate": 1e-3}), RecipeError, "Step 2, product_quantization, trains nothing"),
    (recipe({**PRUNE, "layers": "fc9"}), MethodError, "matches the pattern 'fc9' of magnitude_pruning"),
    (
        recipe({"method": "quantization_aware_training", "options": {"keep_float": "fc9"}}),
        MethodError,
        "'fc9' of quantization_aware_training, for keep_float",
    ),
    (recipe(convert={"keep_float": "fc9"}), MethodError, "'fc9' of conversion, for keep_float"),
    (recipe(convert={"targets": ["tflite:int3"]}), ConversionError, "There is no target 'tflite:int3'"),
    (
        recipe(PRUNE, convert={"targets": ["onnx:binary"]}),
        ConversionError,
        "onnx:binary is for layers that were trained",
    ),
    (
        recipe({"method": "bnn"}, convert={"targets": ["tflite:int8", "tflite:binary"], "io": "int8"}),
        ConversionError,
        "float32 inputs and outputs",
    ),
    (recipe(pack={"targets": ["onnx:float16"]}), ConversionError, "no target 'onnx:float16'"),
    (recipe(pack={"targets": ["tflite:dynamic"]}), ConversionError, "is to be packed, and is none of the targets"),
    (recipe(convert={"keep_float": "("}), ConversionError, "not a regular expression"),
    (recipe(profile={"devices": ["moon"]}), DeviceError, "'moon' is no device"),
    (recipe(profile={"devices": ["local", "local"]}), DeviceError, "named twice"),
    (recipe(profile={"devices": ["ssh:nobody@nowhere.invalid"]}), DeviceError, "nowhere.invalid"),
    (recipe(profile={"cores": "fastest"}), DeviceError, "'fastest' names no cores"),
    (recipe(profile={"devices": ["emulated:max"], "threads": [1, 4]}), DeviceError, "threads are 1, 4"),
]


@pytest.mark.parametrize(("wrong", "kind", "message"), WRONG, ids=[message[:40] for _, _, message in WRONG])
def test_a_mistake_is_found_before_anything_is_written(wrong, kind, message, tmp_path: Path) -> None:
    with pytest.raises(EdgeCompressError) as caught:
        run_recipe(wrong, tmp_path / "runs" / "run")
    assert isinstance(caught.value, kind) and message in caught.value.message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("targets", "is_ready"), [(["tflite:int8"], False), (["onnx:int8"], True)])
def test_a_board_is_ready_for_the_formats_of_the_recipe(targets, is_ready, tmp_path: Path, monkeypatch) -> None:
    """Its C library is too old for LiteRT, and not for ONNX Runtime."""
    info = replace(probe(LocalTransport()), machine="aarch64", glibc=(2, 31))
    answer = About(glibc="2.31", machine="aarch64", cores=15, missing=())
    asked: list[str] = []

    def ask(transport: Any, info: Any, runtime: str, **options: Any) -> About:
        asked.append(runtime)
        return answer

    monkeypatch.setattr(readiness, "probe", lambda transport: info)
    monkeypatch.setattr(readiness, "ask_runner", ask)
    monkeypatch.setattr(check, "connect", lambda address: Board(tmp_path / "home"))
    wanted = recipe(convert={"targets": targets}, profile={"devices": ["ssh:board"]})
    if is_ready:
        check_rest(wanted)
    else:
        with pytest.raises(DeviceError, match=r"the GNU C library 2\.31; LiteRT"):
            check_rest(wanted)
    assert asked == (["onnx"] if is_ready else [])


def test_what_is_right_passes() -> None:
    right = recipe(PRUNE, {"method": "kmeans_sharing", "options": {"clusters": 8}}, convert={"keep_float": "fc1"})
    check_rest(right)
    opened = check_training(right)
    assert len(opened.dataset.labels) == 10 and opened.intake.height == 8


@pytest.mark.slow
def test_a_recipe_that_is_corrected_behind_the_training_trains_nothing_again(tmp_path: Path) -> None:
    sections = {"convert": {"targets": ["tflite:float32"]}, "profile": {"processes": 1}}
    sections |= {"pack": {"targets": ["tflite:float32"]}}
    lines: list[str] = []
    run_recipe(recipe(verify={"limit": 20}, **sections), tmp_path / "run", tell=lines.append)
    assert [line.partition(":")[0] for line in lines] == [
        *("dense", "dense", "Converting to tflite", "Verifying the files"),
        *(lines[-2].partition(":")[0], "Measuring on local"),
    ]
    packed = tmp_path / "run" / "packed" / "dense.float32.tflite.ecz"
    assert lines[-2].startswith(f"Packed {packed.name}: {packed.stat().st_size:,} bytes")
    assert unpack(packed.read_bytes()) == (tmp_path / "run" / "artifacts" / "dense.float32.tflite").read_bytes()
    lines.clear()
    changed = recipe(verify={"limit": 30}, **sections)
    _, verification, _ = run_recipe(changed, tmp_path / "run", tell=lines.append)
    assert lines[:2] == [
        f"The training in '{tmp_path / 'run'}' is that of this recipe, and is kept.",
        "dense: all epochs were finished before, and are kept",
    ]
    assert verification.data.startswith("digits test split, 30 of")
    assert load_recipe(tmp_path / "run" / "recipe.toml") == changed


OWN = sorted((Path(__file__).parents[2] / "models").glob("*/recipes/*.toml"))


@pytest.mark.parametrize("path", OWN, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_the_project_s_own_recipes_can_be_trained(path: Path) -> None:
    """All of their steps are prepared, on data that is here."""
    data = {"data": recipe().data}
    check_training(load_recipe(path).model_copy(update=data))
