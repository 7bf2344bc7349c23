"""Networks of other tasks and inputs through the commands: numbers, yes and no, positions, arrays, a loop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_keras

INT8 = ("--to", "tflite:int8", "--to", "onnx:int8")
SHORT = ("--epochs", 1, "--finetune-epochs", 1, "--batch-size", 64)


def images(count: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 8, 8, channels), np.uint8)


def checks(cli, run: Path, *more: Any) -> dict[str, Any]:
    verified = cli("verify", run, "--json", *more)
    assert verified.code == 0, verified.err
    return json.loads(verified.out)


@pytest.fixture(scope="module")
def two_inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that is asked one question of a series and a row, a loop in it, with data; it has learnt nothing."""
    keras, folder = load_keras(), tmp_path_factory.mktemp("two")
    layers = keras.layers
    keras.utils.set_random_seed(0)
    series, row = keras.Input((6, 3), name="series"), keras.Input((4,), name="row")
    x = layers.Concatenate(name="both")([layers.GRU(6, name="gru")(series), row])
    x = layers.Dense(8, activation="relu", name="hidden")(x)
    model = keras.Model([series, row], layers.Dense(1, activation="sigmoid", name="answer")(x), name="two")
    model.save(folder / "two.keras")
    generator = np.random.default_rng(0)
    arrays = {"series": generator.normal(size=(400, 6, 3)), "row": generator.normal(size=(400, 4))}
    np.savez(folder / "two.npz", **arrays, y=(arrays["row"][:, 0] > 0).astype(np.uint8))
    return folder


@pytest.mark.slow
def test_a_question_about_two_arrays(cli, two_inputs: Path, tmp_path: Path) -> None:
    run, data = tmp_path / "run", f"npz:{two_inputs / 'two.npz'}"
    trained = cli("train", two_inputs / "two.keras", "--data", data, *SHORT, "--prune", 0.5, "--qat", "--out", run)
    assert trained.code == 0, trained.err
    assert "binary_crossentropy is minimized, as outputs and labels look" in trained.err
    assert "labels right" in trained.out
    converted = cli("convert", run, "--to", "tflite:float32", *INT8)
    assert converted.code == 0 and "Loops are written out, step by step: 'gru' (6 steps)" in converted.out
    found = checks(cli, run)
    assert found["metric"] == "labels right" and "80 of 80 samples" in found["data"]
    for check in found["artifacts"]:
        assert not check["paired"]["in_part"]  # one question is right or wrong
        assert check["keras_agreement"] > 90
    assert all(pair["equal_outputs"] > 99 for pair in found["parity"] if pair["precision"] == "int8")
    assert cli("report", run).code == 0
    report = (run / "report" / "report.md").read_text()
    assert "Labels right on" in report and "| labels right, % |" in report.replace("model | labels", "| labels")
    on_device = cli("verify", run, "--on", "local", "--limit", 20, "--json")
    assert on_device.code == 0, on_device.err


@pytest.mark.slow
def test_a_lone_model_of_arrays_is_verified(cli, two_inputs: Path, tmp_path: Path) -> None:
    folder, data = tmp_path / "out", f"npz:{two_inputs / 'two.npz'}"
    assert cli("convert", two_inputs / "two.keras", *INT8, "--calibrate", f"{data}:50", "--out", folder).code == 0
    assert checks(cli, folder, "--data", data)["metric"] == "labels right"
    images_alone = cli("verify", folder, "--data", "digits")
    assert images_alone.code == 1 and "name an archive of arrays" in images_alone.err
    wrong = cli("verify", folder, "--data", data, "--loss", "mae")
    assert wrong.code == 0 and "R²" in wrong.out


@pytest.mark.slow
def test_sequences_of_any_length_get_that_of_the_data(cli, tmp_path: Path) -> None:
    keras = load_keras()
    layers = keras.layers
    words = keras.Input((None,), dtype="int32", name="words")
    x = layers.Bidirectional(layers.GRU(4, return_sequences=True), name="read")(layers.Embedding(9, 4)(words))
    keras.Model(words, layers.Dense(3, activation="softmax")(x), name="tags").save(tmp_path / "tags.keras")
    indices = np.random.default_rng(0).integers(0, 9, (200, 5))
    np.savez(tmp_path / "w.npz", x=indices, y=indices % 3)
    run, data = tmp_path / "run", f"npz:{tmp_path / 'w.npz'}"
    trained = cli("train", tmp_path / "tags.keras", "--data", data, *SHORT, "--loss", "crossentropy", "--out", run)
    assert trained.code == 0, trained.err
    assert cli("convert", run, "--to", "tflite:float32", *INT8).code == 0
    found = checks(cli, run)
    assert found["metric"] == "accuracy" and found["artifacts"][0]["paired"]["in_part"]
    np.savez(tmp_path / "w.npz", x=indices + 9, y=indices % 3)
    beyond = cli("train", tmp_path / "tags.keras", "--data", data, *SHORT, "--loss", "crossentropy", "--out", run / "b")
    assert beyond.code == 1 and "is not in [0, 9)" in beyond.err and "Traceback" not in beyond.err


@pytest.mark.slow
def test_numbers_of_images_by_an_architecture_of_ours(cli, tmp_path: Path) -> None:
    pixels = images(240)
    np.savez(tmp_path / "n.npz", x=pixels, y=pixels.mean(axis=(1, 2, 3)) / 64)
    data, run = f"npz:{tmp_path / 'n.npz'}", tmp_path / "run"
    base = ("train", "lenet_300_100", "--resolution", 8, "--data", data, "--out", run)
    unsaid = cli(*base, *SHORT)
    assert unsaid.code == 1 and "not known what is to be minimized" in unsaid.err
    misspelt = cli(*base, *SHORT, "--loss", "mean_square")
    assert misspelt.code == 1 and "Did you mean 'mean_squared_error'?" in misspelt.err
    weighted = cli(*base, *SHORT, "--loss", "mae", "--class-weights", "balanced")
    assert weighted.code == 1 and "--class-weights are for one class a sample" in weighted.err
    trained = cli(*base, "--epochs", 3, "--batch-size", 16, "--loss", "mse", "--shift", 1)
    assert trained.code == 0, trained.err
    assert "held-out R²" in trained.out
    assert cli("convert", run, *INT8).code == 0
    found = checks(cli, run)
    assert found["metric"] == "R²" and found["keras"]["dense"]["percent"] <= 100
    assert all(check["keras_agreement"] is None and check["paired"]["in_part"] for check in found["artifacts"])
    held = cli("verify", run, "--min-argmax", 99)  # numbers decide nothing
    assert held.code == 0, held.err


@pytest.mark.slow
def test_a_class_of_each_position_and_a_measure_of_ones_own(cli, tmp_path: Path) -> None:
    keras = load_keras()
    layers = keras.layers
    pixels = images(160)
    np.savez(tmp_path / "masks.npz", x=pixels, y=(pixels[..., 0] > 127).astype(np.uint8))
    image = keras.Input((8, 8, 1))
    wide = layers.Conv2D(4, 3, padding="same", activation="relu", name="wide")(layers.Rescaling(1 / 255)(image))
    small = layers.UpSampling2D(name="up")(layers.MaxPooling2D()(wide))
    joined = layers.Concatenate()([wide, small])
    end = layers.Conv2D(2, 1, activation="softmax", name="end")(joined)
    keras.Model(image, end, name="masks").save(tmp_path / "masks.keras")
    data, run = f"npz:{tmp_path / 'masks.npz'}", tmp_path / "run"
    trained = cli("train", tmp_path / "masks.keras", "--data", data, *SHORT, "--qat", "--out", run)
    assert trained.code == 0, trained.err
    converted = cli("convert", run, *INT8, "--json")
    assert converted.code == 0 and not any(each["float_layers"] for each in json.loads(converted.out)["artifacts"])
    found = checks(cli, run)
    assert found["metric"] == "accuracy" and found["artifacts"][0]["paired"]["in_part"]
    (tmp_path / "own.py").write_text(
        "def share(labels, outputs):\n    return ((outputs.argmax(-1) == labels) & labels).sum() / labels.sum()\n"
    )
    own = ("--metric", f"{tmp_path / 'own.py'}:share")
    refused = cli("verify", run, *own)
    assert refused.code == 1 and "Say --trust to run it" in refused.err
    found = checks(cli, run, *own, "--trust")
    assert found["metric"] == "share" and 0 <= found["keras"]["dense"]["percent"] <= 100
    report = cli("report", run)
    assert report.code == 0 and "share" in report.out


def test_what_does_not_fit_its_task_is_a_sentence(cli, two_inputs: Path, tmp_path: Path) -> None:
    keras = load_keras()
    layers = keras.layers
    np.savez(tmp_path / "n.npz", x=images(20), y=np.linspace(-1, 3, 20)[::-1])
    np.savez(tmp_path / "four.npz", x=images(20), y=np.arange(20) % 4)
    flat = layers.Flatten()
    ends = {"softmax": layers.Dense(4, activation="softmax"), "sigmoid": layers.Dense(4, activation="sigmoid")}
    for name, end in ends.items():
        inputs = [keras.Input((8, 8, 1)), layers.Rescaling(1 / 255)]
        keras.Sequential([*inputs, flat, end]).save(tmp_path / f"{name}.keras")
    numbers, four = f"npz:{tmp_path / 'n.npz'}", f"npz:{tmp_path / 'four.npz'}"
    two, of_two = two_inputs / "two.keras", f"npz:{two_inputs / 'two.npz'}"
    softmax, sigmoid = tmp_path / "softmax.keras", tmp_path / "sigmoid.keras"
    for arguments, expected in [
        ((two, "--data", "digits"), "takes arrays, 'series' (6, 3), 'row' (4,), and digits holds images"),
        ((two, "--data", four), "holds ['x', 'y'] of the arrays it may have"),
        ((two, "--data", of_two, "--shift", 1), "--shift changes images"),
        ((two, "--data", of_two, "--resolution", 8), "which are no images"),
        ((two, "--data", of_two, "--loss", "categorical_crossentropy"), "ends in a sigmoid"),
        ((two, "--data", of_two, "--method", "quantized_cnn"), "needs a network with one input"),
        ((softmax, "--data", numbers, "--loss", "categorical_crossentropy"), "is learnt from classes"),
        ((softmax, "--data", numbers, "--loss", "binary_crossentropy"), "and those of npz:"),
        ((softmax, "--data", numbers, "--loss", "mse"), "gives outputs of shape (4,)"),
        ((softmax, "--data", four, "--loss", "mse"), "gives outputs of shape (4,)"),
        ((softmax, "--data", four, "--loss", "squared_hinge"), "of outputs without an activation"),
        ((sigmoid, "--data", four), "ends in a sigmoid"),
        ((sigmoid, "--data", "digits", "--loss", "mse"), "is learnt from numbers, and digits has 10 classes"),
    ]:
        result = cli("train", *arguments, "--out", tmp_path / "run")
        assert result.code == 1 and expected in result.err, (arguments, result.err)
        assert "Traceback" not in result.err
    assert not (tmp_path / "run").exists()
