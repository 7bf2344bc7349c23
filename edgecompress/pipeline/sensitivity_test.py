"""A scan of small networks on real digits, and what it says of data and models that do not fit."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace

import numpy as np
import pytest

from edgecompress.data import load
from edgecompress.data.preprocessing import scale_pixels
from edgecompress.data.stratified import stratified_order
from edgecompress.environment import load_keras
from edgecompress.errors import (
    DataError,
    EdgeCompressError,
    MethodError,
    RecipeError,
    RunFolderError,
)
from edgecompress.loading import load_model
from edgecompress.methods.pruning.sensitivity import SPARSITIES, pruned
from edgecompress.numerics.paired import paired_drop
from edgecompress.pipeline.sensitivity import LayerSensitivity, Sensitivity, find_sensitivity
from edgecompress.training.batches import training_data
from edgecompress.values import Preprocessing

DIGITS = Preprocessing(8, 8, 1)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A network that knows digits: a separable convolution, and a name that must be quoted."""
    keras = load_keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(16, 3, activation="relu", name="conv.1")(image)
    x = layers.SeparableConv2D(24, 3, activation="relu", name="separable")(x)
    x = layers.Dense(10, activation="softmax", name="scores")(layers.Flatten(name="flat")(x))
    model = keras.Model(image, x, name="knowing")
    train = load("digits").train
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
    model.fit(scale_pixels(train.images, DIGITS), train.labels, batch_size=64, epochs=8, verbose=0)
    path = tmp_path_factory.mktemp("model") / "knowing.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def found(model_file) -> Sensitivity:
    return find_sensitivity(model_file, data="digits", limit=300, max_drop=2.0, input_range=(-1, 1))


def test_every_kernel_but_the_depthwise_one_is_scanned(found) -> None:
    assert {each.layer: each.weights for each in found.layers} == {
        "conv.1": 144,
        "separable_pointwise": 16 * 24,
        "scores": 4 * 4 * 24 * 10,
    }
    assert [note.layer for note in found.skipped] == ["separable_depthwise"]
    assert all(len(each.accuracies) == len(SPARSITIES) for each in found.layers)


def test_proposals_hold_the_limit_and_the_next_sparsity_does_not(found) -> None:
    assert found.dense.percent > 90
    for each in found.layers:
        drops = [found.dense.percent - accuracy.percent for accuracy in each.accuracies]
        within = SPARSITIES.index(each.proposal) + 1 if each.proposal else 0
        assert all(drop <= 2 + 1e-9 for drop in drops[:within])
        assert within == len(SPARSITIES) or drops[within] > 2
    assert any(each.proposal for each in found.layers)


def test_figures_are_those_of_the_pruned_model_on_training_images(found, model_file) -> None:
    model, train = load_model(model_file), load("digits").train
    order = stratified_order(train.labels, seed=0)[:300]
    inputs, labels = scale_pixels(train.images[order], DIGITS), train.labels[order]

    def percent() -> float:
        return 100 * float((model.predict_on_batch(inputs).argmax(-1) == labels).mean())

    assert found.dense.percent == pytest.approx(percent())
    with pruned(model, {"scores": SPARSITIES[4]}):
        assert {each.layer: each.accuracies[4].percent for each in found.layers}["scores"] == pytest.approx(percent())
    assert found.data == f"digits training split, 300 of {len(train)} images"
    assert found.joint.samples == 300 and found.joint.low < found.joint.percent < found.joint.high
    zeros = sum(each.weights * each.proposal for each in found.layers)
    assert found.joint_sparsity == pytest.approx(zeros / sum(each.weights for each in found.layers))


def test_drops_are_on_the_same_images_and_doubts_name_the_limit(found, model_file) -> None:
    for each in found.layers:
        for accuracy, drop in zip(each.accuracies, each.drops, strict=True):
            assert drop.images == 300 and drop.points == pytest.approx(found.dense.percent - accuracy.percent)
            assert drop.low <= drop.points <= drop.high
    undecided = [each.layer for each in found.layers if each.proposal and each.drop_at(SPARSITIES).high > 2]
    assert list(found.undecided()) == undecided
    # Of 300 images even a layer that changes nothing may cost 1.96^2 / (300 + 1.96^2), 1.26 points.
    (sentence,) = replace(found, max_drop=1.2).doubts()
    assert sentence.startswith("The limit of 1.2 points is below what 300 images can resolve")
    assert sentence.endswith("may still cost 1.26 points. 317 images or more could tell (--limit).")
    (sentence,) = replace(found, max_drop=0.0).doubts()
    assert sentence.endswith("No number of images could tell (--limit).")
    assert replace(found, max_drop=100.0).doubts() == []


def test_proposals_that_may_cost_more_are_counted(found) -> None:
    """5 lost and 1 won of 300: 1.33 points, between -0.7 and 3.6."""
    dense = np.arange(300) < 290
    drop = paired_drop(dense, np.roll(dense, 0) ^ np.isin(np.arange(300), [0, 1, 2, 3, 4, 299]))
    assert (drop.lost, drop.won) == (5, 1)
    sure = paired_drop(dense, dense)
    layers = [LayerSensitivity(name, 10, (), SPARSITIES[0], (each,)) for name, each in (("a", drop), ("b", sure))]
    doubtful = replace(found, layers=(*layers, LayerSensitivity("c", 10, (), 0.0, (drop,))), max_drop=2.0)
    assert doubtful.undecided() == ("a",)
    (sentence,) = doubtful.doubts()
    assert sentence.startswith(
        "Of 3 proposals 1 may cost more than 2 points (≈): on 300 images one cannot tell. About "
    )


def test_the_recipe_line_is_toml_whose_patterns_match_the_layers(found) -> None:
    table = tomllib.loads(found.recipe_line())["sparsities"]
    assert list(table.values()) == [each.proposal for each in found.layers]
    for pattern, each in zip(table, found.layers, strict=True):
        assert re.fullmatch(pattern, each.layer)
    assert not re.fullmatch(next(iter(table)), "convX1")


def test_the_images_of_a_run_are_those_that_its_training_held_out() -> None:
    train = load("digits").train
    data = training_data(train, DIGITS, names=tuple("0123456789"), seed=3)
    held = {image.tobytes() for image in data.held_samples}
    first = stratified_order(train.labels, seed=3)[: len(data.held_labels) // 2]
    assert {image.tobytes() for image in train.images[first]} <= held


def test_without_images_or_with_the_wrong_ones_it_is_refused(model_file, tmp_path) -> None:
    with pytest.raises(DataError, match="Images are needed"):
        find_sensitivity(model_file)
    two = tmp_path / "two.npz"
    images = np.zeros((4, 8, 8), np.uint8)
    labels = np.array([0, 1, 0, 1])
    np.savez(two, x_train=images, y_train=labels, x_test=images, y_test=labels)
    with pytest.raises(DataError, match=r"gives scores of 10 classes, and .* has 2: 0, 1"):
        find_sensitivity(model_file, data=f"npz:{two}", input_range=(-1, 1))


def test_models_that_cannot_be_scanned_are_refused(tmp_path) -> None:
    keras = load_keras()
    (keras.Sequential([keras.Input((4,)), keras.layers.Dense(10)])).save(tmp_path / "vector.keras")
    with pytest.raises(DataError, match=r"The model takes arrays, '.*' \(4,\), and digits holds images"):
        find_sensitivity(tmp_path / "vector.keras", data="digits")
    image = keras.Input((8, 8, 1))
    x = keras.layers.DepthwiseConv2D(8, depth_multiplier=10, name="only")(image)
    (keras.Model(image, keras.layers.Flatten()(x))).save(tmp_path / "depthwise.keras")
    with pytest.raises(MethodError, match=r"can be pruned \(only: each channel has few weights"):
        find_sensitivity(tmp_path / "depthwise.keras", data="digits", input_range=(0, 1))
    with pytest.raises(RunFolderError, match="is not a run folder"):
        find_sensitivity(tmp_path, data="digits")
    with pytest.raises(EdgeCompressError):
        find_sensitivity(tmp_path / "none.keras", data="digits")


def test_a_free_input_size_and_an_unknown_range_must_be_said(tmp_path) -> None:
    keras = load_keras()
    image = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(10, 3, name="conv2d")(image))
    (keras.Model(image, x)).save(tmp_path / "free.keras")
    with pytest.raises(RecipeError, match="takes images of any size"):
        find_sensitivity(tmp_path / "free.keras", data="digits")
    with pytest.raises(RecipeError, match="It is not known what range"):
        find_sensitivity(tmp_path / "free.keras", data="digits", resolution=8)
    found = find_sensitivity(tmp_path / "free.keras", data="digits", resolution=8, input_range=(0, 1), limit=20)
    assert [each.layer for each in found.layers] == ["conv2d"]
