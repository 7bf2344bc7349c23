"""A Keras model of somebody's through every command: trained on, given a new classifier, converted alone, verified."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.data import load
from edgecompress.environment import load_keras, load_tf_keras
from edgecompress.loading import load_model
from edgecompress.recipes import load_recipe

INT8 = ("--to", "tflite:int8", "--to", "onnx:int8")


def layers_of(keras: Any) -> list[Any]:
    """A network with what TF-MOT does not know; its last layer gives logits."""
    return [
        keras.layers.Rescaling(1 / 255, name="scale"),
        keras.layers.Conv2D(12, 3, padding="same", name="conv"),
        keras.layers.BatchNormalization(name="norm"),
        keras.layers.ReLU(name="relu"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(10, name="scores"),
    ]


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a network that can tell most digits: trained by Keras itself, on pixels 0 to 255."""
    keras, train = load_keras(), load("digits").train
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 1), name="pixels"), *layers_of(keras)], name="mine")
    model.compile(keras.optimizers.Adam(3e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(train.images.astype(np.float32), train.labels, epochs=8, batch_size=64, verbose=0)
    path = tmp_path_factory.mktemp("own") / "mine.keras"
    model.save(path)
    return path


def accuracies(result: Any) -> dict[str, float]:
    checks = json.loads(result.out)
    found = {name: each["percent"] for name, each in checks["keras"].items()}
    return found | {each["artifact"]: each["accuracy"]["percent"] for each in checks["artifacts"]}


@pytest.mark.slow
def test_a_model_is_trained_on_quantized_and_verified(cli, mine: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trained = cli("train", mine, "--data", "digits", "--epochs", 1, "--finetune-epochs", 1, "--qat", "--out", run)
    assert trained.code == 0
    assert "Pixels 0..255 are mapped to 0..255" in trained.err
    assert "taken for logits" in trained.err
    held_out = float(trained.err.partition("As it came: held out ")[2].split()[0])
    assert held_out > 0.8  # chance is 0.1, and this network is right on more than 0.9 of all images
    assert cli("convert", run, *INT8).code == 0
    verified = cli("verify", run, "--json")
    assert verified.code == 0
    # One epoch at a tenth of the usual learning rate does not destroy it: a fifth of 359 images are 72.
    assert all(percent > 80 for percent in accuracies(verified).values())
    assert cli("report", run).code == 0
    assert "mine.keras on digits" in (run / "report" / "report.md").read_text()
    sensitivity = cli("sensitivity", mine, "--data", "digits", "--limit", 50, "--out", tmp_path / "s")
    assert sensitivity.code == 0 and "scores" in sensitivity.out


@pytest.mark.slow
def test_a_new_classifier_is_trained_alone_first(cli, mine: Path, tmp_path: Path) -> None:
    data = load("digits")
    few = np.isin(data.train.labels, (0, 1, 2)), np.isin(data.test.labels, (0, 1, 2))
    arrays = {"x_train": data.train.images[few[0]], "y_train": data.train.labels[few[0]]}
    arrays |= {"x_test": data.test.images[few[1]], "y_test": data.test.labels[few[1]]}
    np.savez(tmp_path / "three.npz", **arrays)
    run, spec = tmp_path / "run", f"npz:{tmp_path / 'three.npz'}"
    options = ("--new-head", 3, "--epochs", 4, "--batch-size", 16, "--class-weights", "balanced")
    trained = cli("train", mine, "--data", spec, *options, "--unfreeze-epochs", 0, "--out", run)
    assert trained.code == 0, trained.err
    assert "As it came" not in trained.err  # the new classifier has learnt nothing yet
    before, after = load_model(mine), load_model(run / "models" / "dense.keras")
    for name in ("conv", "norm"):  # statistics of batch norms as well
        for old, new in zip(before.get_layer(name).get_weights(), after.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    history = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert [each["stage"] for each in history] == ["dense"] * 4
    assert history[-1]["held_out_accuracy"] > 0.8
    thawed = tmp_path / "thawed"
    options = (*options, "--unfreeze-epochs", 1, "--early-stopping", 3)
    assert cli("train", mine, "--data", spec, *options, "--out", thawed).code == 0
    after = load_model(thawed / "models" / "dense.keras")
    assert not np.array_equal(before.get_layer("conv").get_weights()[0], after.get_layer("conv").get_weights()[0])
    assert after.outputs[0].shape == (None, 3)


@pytest.mark.slow
def test_a_converted_model_has_a_folder_that_is_verified_and_reported(cli, mine: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(mine, tmp_path / "mine.keras"))
    folder = tmp_path / "mine-artifacts"
    assert cli("convert", path, *INT8, "--calibrate", "digits:100").code == 0
    path.unlink()  # what it was made from is kept beside the files
    named = cli("verify", folder)
    assert named.code == 1 and "names no test data" in named.err and "--data" in named.err
    verified = cli("verify", folder, "--data", "digits", "--max-drop", 5, "--json")
    assert verified.code == 0, verified.err
    found = accuracies(verified)
    assert found.keys() == {"mine", "mine.int8.tflite", "mine.int8.onnx"}
    assert min(found.values()) > 80
    assert "not known" in json.loads(verified.out)["data"]
    few = cli("verify", folder, "--data", "digits:40", "--json")
    assert "40 of 359 images" in json.loads(few.out)["data"]
    assert cli("verify", folder, "--data", "digits", "--max-drop", 0, "--min-argmax", 100.0).code in (0, 3)
    assert cli("report", folder).code == 0
    report = (folder / "report" / "report.md").read_text()
    assert f"{found['mine.int8.tflite']:.2f}" in report and "not verified" not in report
    wrong = cli("verify", folder, "--data", "npz:nowhere.npz")
    assert wrong.code == 1 and "nowhere.npz" in wrong.err


def test_what_cannot_be_trained_on_is_a_sentence(cli, mine: Path, tmp_path: Path) -> None:
    keras = load_keras()
    names = ("three", "unknown", "sequence", "sigmoid", "two", "code")
    three, unknown, sequence, sigmoid, two, code = (tmp_path / f"{name}.keras" for name in names)
    keras.Sequential([keras.Input((8, 8, 1)), *layers_of(keras)[:-1], keras.layers.Dense(3)]).save(three)
    keras.Sequential([keras.Input((None, None, 1)), *layers_of(keras)[1:4]]).save(unknown)
    keras.Sequential([keras.Input((5, 4)), keras.layers.LSTM(3)]).save(sequence)
    ends = (keras.layers.Dense(10, activation="sigmoid"), keras.layers.Lambda(lambda x: x, name="code"))
    keras.Sequential([keras.Input((8, 8, 1)), *layers_of(keras)[:-1], ends[0]]).save(sigmoid)
    keras.Sequential([keras.Input((8, 8, 1)), *layers_of(keras), ends[1]]).save(code)
    image = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    keras.Model(image, [keras.layers.Dense(10)(flat), keras.layers.Dense(2)(flat)]).save(two)
    run = ("--data", "digits", "--out", tmp_path / "run")
    os.mkfifo(tmp_path / "pipe.keras")
    for arguments, expected in [
        ((tmp_path / "pipe.keras",), "it is no file"),
        ((tmp_path / "none.keras",), "Cannot read"),
        ((three,), "gives scores of 3 classes, and digits has 10"),
        ((mine, "--new-head", 4), "is to have 4 outputs, and digits asks for 10"),
        ((mine, "--width", "0.5"), "'width' is for an architecture"),
        ((mine, "--weights", "imagenet"), "'weights' is for an architecture"),
        ((mine, "--freeze", "nothing.*"), "matches the pattern 'nothing.*' of --freeze"),
        ((mine, "--freeze", ".*"), "nothing would be trained"),
        ((sigmoid,), "ends in a sigmoid"),
        ((two, "--new-head", "10"), "Cut it where it gives features"),
        ((code,), "but not trained on"),
        ((mine, "--input-range", "1", "0"), "the lower one first"),
        ((mine, "--resolution", "16"), "takes images of 8 x 8"),
        ((unknown,), "takes images of any size"),
        ((unknown, "--resolution", "8"), "It is not known what range"),
        ((unknown, "--resolution", "8", "--input-range", "0", "1"), "gives outputs of shape (8, 8, 12)"),
        ((sequence,), "takes arrays, "),
        (("lenet_5", "--new-head", "10"), "'new_head' is for a file"),
    ]:
        result = cli("train", *arguments, *run)
        assert result.code == 1 and expected in result.err, (arguments, result.err)
        assert "Traceback" not in result.err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_file_that_has_changed_is_not_gone_on_with(cli, mine: Path, tmp_path: Path) -> None:
    path, run = Path(shutil.copy(mine, tmp_path / "mine.keras")), tmp_path / "run"
    arguments = ("train", path, "--data", "digits", "--epochs", 0, "--out", run)
    assert cli(*arguments).code == 0
    again = cli(*arguments, "--resume")
    assert again.code == 0
    fitted = cli(*arguments, "--resume", "--fit", "crop")  # the data's hash is that of the pictures as they came
    assert fitted.code == 1 and "fitted to the model by 'stretch', not 'crop'" in fitted.err
    dense = (run / "models" / "dense.keras").read_bytes()
    model = load_model(path)
    model.save(tmp_path / "dense.keras")
    taken = cli("convert", tmp_path / "dense.keras", "--to", "tflite:float32", "--out", run)
    assert taken.code == 1 and "is the folder of a run" in taken.err
    assert (run / "models" / "dense.keras").read_bytes() == dense
    model = load_model(path)
    model.get_layer("scores").set_weights([each + 1 for each in model.get_layer("scores").get_weights()])
    model.save(path)
    changed = cli(*arguments, "--resume")
    assert changed.code == 1 and "sha256 is" in changed.err


@pytest.mark.slow
def test_a_model_of_any_size_and_one_of_keras_2_are_trained_on(cli, tmp_path: Path) -> None:
    keras, old = load_keras(), load_tf_keras()
    keras.Sequential([keras.Input((None, None, 1)), *layers_of(keras)[1:4]], name="any").save(tmp_path / "any.keras")
    old.Sequential([old.Input((8, 8, 1)), *layers_of(old)], name="old").save(tmp_path / "old.h5")
    short = ("--data", "digits", "--epochs", 1, "--batch-size", 256)
    head = ("--new-head", 10, "--unfreeze-epochs", 0, "--resolution", 8, "--input-range", 0, 1)
    assert cli("train", tmp_path / "any.keras", *short, *head, "--out", tmp_path / "a").code == 0
    model = load_model(tmp_path / "a" / "models" / "dense.keras")
    assert model.inputs[0].shape == (None, 8, 8, 1) and model.outputs[0].shape == (None, 10)
    assert cli("train", tmp_path / "old.h5", *short, "--out", tmp_path / "b").code == 0
    assert load_model(tmp_path / "b" / "models" / "dense.keras").outputs[0].shape == (None, 10)


@pytest.mark.slow
def test_a_sigmoid_is_replaced_by_a_classifier_of_one_of_several(cli, tmp_path: Path) -> None:
    keras = load_keras()
    end = keras.layers.Dense(1, activation="sigmoid", name="scores")
    keras.Sequential([keras.Input((8, 8, 1)), *layers_of(keras)[:-1], end]).save(tmp_path / "one.keras")
    short = ("--data", "digits", "--new-head", 10, "--epochs", 1, "--unfreeze-epochs", 0, "--batch-size", 256)
    trained = cli("train", tmp_path / "one.keras", *short, "--out", tmp_path / "run")
    assert trained.code == 0 and "logits" not in trained.err
    assert load_model(tmp_path / "run" / "models" / "dense.keras").layers[-1].activation is keras.activations.softmax


@pytest.mark.slow
def test_files_are_compared_with_the_model_that_they_were_made_of(cli, mine: Path, tmp_path: Path) -> None:
    path, folder = Path(shutil.copy(mine, tmp_path / "mine.keras")), tmp_path / "out"
    keep = ("--out", folder, "--fit", "crop")
    assert cli("convert", path, "--to", "tflite:float32", *keep).code == 0
    listed = json.loads((folder / "artifacts.json").read_text())
    assert listed[0]["preprocessing"]["fit"] == "crop"
    model = load_model(path)
    model.get_layer("scores").set_weights([each + 1 for each in model.get_layer("scores").get_weights()])
    model.save(folder / "models" / "mine.keras")
    changed = cli("verify", folder, "--data", "digits:40")
    assert changed.code == 1 and "was made of another model" in changed.err
    model.save(path)  # another one of the same name takes the place of the first
    assert cli("convert", path, "--to", "tflite:float16", *keep).code == 0
    again = cli("verify", folder, "--data", "digits:40", "--json")
    assert again.code == 0, again.err
    assert accuracies(again).keys() == {"mine", "mine.float16.tflite"}
    assert "Left out, as artifacts.json does not list it: mine.float32.tflite" in again.err


@pytest.mark.slow
def test_several_outputs_have_no_accuracy(cli, tmp_path: Path) -> None:
    keras = load_keras()
    image = keras.Input((8, 8, 1))
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    keras.Model(image, [keras.layers.Dense(10)(flat), keras.layers.Dense(2)(flat)]).save(tmp_path / "two.keras")
    assert cli("convert", tmp_path / "two.keras", "--to", "tflite:float32").code == 0
    found = cli("verify", tmp_path / "two-artifacts", "--data", "digits:40")
    assert found.code == 1 and "has 2 outputs" in found.err


@pytest.mark.slow
def test_a_recipe_of_a_file_is_run_again(cli, quick, mine: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    lines = ["[model]", f'file = "{mine}"', "[data]", 'name = "digits"', "[train]", "epochs = 0"]
    lines += ["[convert]", 'targets = ["tflite:float32"]', "[verify]", "limit = 40", "[profile]", "processes = 1"]
    recipe.write_text("\n".join(lines))
    assert cli("run", recipe, "--out", tmp_path / "run").code == 0
    recipe.write_text("\n".join(lines).replace("limit = 40", "limit = 30"))
    found = cli("run", recipe, "--out", tmp_path / "run")  # with another limit
    assert found.code == 0 and "is that of this recipe, and is kept" in found.err, found.err
    assert cli("run", recipe, "--out", tmp_path / "run", "--resume").code == 0
    assert load_recipe(tmp_path / "run" / "recipe.toml").model.sha256


def test_a_key_that_is_none_is_named(cli, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('[model]\nfil = "mine.keras"\n[data]\nname = "digits"\n')
    found = cli("run", tmp_path / "recipe.toml")
    assert found.code == 1 and "what is 'fil'?" in found.err and "Did you mean 'file'" in found.err.replace('"', "'")
    missing = cli("verify", tmp_path / "nothing")
    assert missing.code == 1 and "There is no" in missing.err
