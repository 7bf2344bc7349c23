"""The fit loop on real digits: it learns, it can be cut off and resumed bit for bit, and it stops on NaN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.data import load
from edgecompress.data.preprocessing import standard
from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.errors import TrainingError
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.methods.binary import BinaryConnect
from edgecompress.methods.protocol import Context, Prepared
from edgecompress.methods.pruning import MagnitudePruning
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.methods.sharing import KMeansSharing
from edgecompress.methods.step import Step
from edgecompress.training import fit as fitting
from edgecompress.training.adam import Adam
from edgecompress.training.batches import TrainingData, batches, steps_per_epoch, training_data
from edgecompress.training.checkpoint import save
from edgecompress.training.fit import Training, fit
from edgecompress.training.fused import fused_batch_norms

TRAINING = Training("dense", epochs=4, batch_size=64, learning_rate=2e-3, warmup_epochs=0.5, seed=3)


class CutOff(Exception):
    pass


@pytest.fixture(scope="module")
def data() -> TrainingData:
    dataset = load("digits")
    return training_data(dataset.train, standard(dataset, size=(8, 8)), names=dataset.labels, seed=0)


def network(*, dropout: float = 0.0) -> Any:
    keras = load_keras()
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.Dropout(dropout)(x) if dropout else x
    x = keras.layers.Dense(24, name="hidden")(keras.layers.Flatten()(x))
    return keras.Model(image, keras.layers.Dense(10, activation="softmax")(x))


def by(step: Step) -> Callable[[Any], Prepared]:
    context = Context(optimizer_steps=4 * 22, samples=lambda count: (np.full((count, 8, 8, 1), 0.5, np.float32),))
    return lambda model: step.prepare(copy_model(model), context)


def test_held_out_images_are_not_trained_on_and_cover_every_class(data: TrainingData) -> None:
    assert set(data.held_labels) == set(range(10))
    assert len(data.held_labels) + len(data.labels) == len(load("digits").train)


def test_it_learns(data: TrainingData, tmp_path: Path) -> None:
    records: list[list[dict[str, Any]]] = []
    model = network()
    fit(Prepared(model, model), data, TRAINING, tmp_path, on_epoch=lambda history: records.append(list(history)))
    assert [len(history) for history in records] == [0, 1, 2, 3, 4]
    # Chance is 0.1; four epochs of this network reach 0.8 and more on every seed that was tried.
    assert records[-1][-1]["held_out_accuracy"] > 0.6
    assert records[-1][-1]["loss"] < records[-1][0]["loss"]
    assert [path.name for path in tmp_path.iterdir()] == ["last.npz"]


def test_the_loop_trains_bit_for_bit_like_plain_steps(data: TrainingData, tmp_path: Path) -> None:
    """Steps written down with the same first weights, order of images and learning rates end with the same weights.

    All sums are of powers of two, the batches whole: where a size is known, as it is here, TensorFlow makes of the
    division by it a multiplication, which rounds otherwise for any other size.
    """
    keras, tensorflow = load_keras(), load_tensorflow()
    data = replace(data, samples=data.samples[: 16 * 64], labels=data.labels[: 16 * 64])
    ours = network()
    fit(Prepared(ours, ours), data, TRAINING, tmp_path, on_epoch=lambda history: None)
    theirs = network()
    keras.utils.set_random_seed(TRAINING.seed)
    adam = Adam(theirs.trainable_variables, [1.0] * len(theirs.trainable_variables))

    @tensorflow.function
    def step(inputs: Any, labels: Any, rate: Any) -> None:
        with tensorflow.GradientTape() as tape, fused_batch_norms(theirs):
            losses = keras.losses.sparse_categorical_crossentropy(labels, theirs(inputs, training=True))
            loss = tensorflow.reduce_mean(losses)
        adam.apply(tape.gradient(loss, theirs.trainable_variables), learning_rate=rate)

    steps = steps_per_epoch(len(data.labels), TRAINING.batch_size)
    for epoch in range(TRAINING.epochs):
        parts = batches(data, batch_size=TRAINING.batch_size, seed=TRAINING.seed, epoch=epoch)
        for index, ((inputs,), labels) in enumerate(parts):
            rate = tensorflow.constant(TRAINING.rate(epoch * steps + index, steps))
            step(tensorflow.constant(inputs), tensorflow.constant(labels), rate)
    for expected, found in zip(theirs.get_weights(), ours.get_weights(), strict=True):
        assert expected.tobytes() == found.tobytes()


@pytest.mark.parametrize("dropout", [0.0, 0.3], ids=["", "with dropout"])
@pytest.mark.parametrize(
    "prepare",
    [
        lambda model: Prepared(model, model),
        by(MagnitudePruning(sparsity=0.8)),
        by(KMeansSharing(clusters=8, conv_clusters=8)),
        by(QuantizationAwareTraining(engine="tf-mot")),
        by(QuantizationAwareTraining(engine="native")),
        by(BinaryConnect(stochastic=True, keep_float="first")),
    ],
    ids=["dense", "pruned", "shared", "quantized", "quantized natively", "drawn"],
)
def test_a_run_that_was_cut_off_ends_bit_for_bit_like_one_that_was_not(prepare, dropout, data, tmp_path: Path) -> None:
    whole, cut = prepare(network(dropout=dropout)), prepare(network(dropout=dropout))
    fit(whole, data, TRAINING, tmp_path / "whole", on_epoch=lambda history: None)

    def stop_after_two(history: list[dict[str, Any]]) -> None:
        if len(history) == 2:
            raise CutOff

    with pytest.raises(CutOff):
        fit(cut, data, TRAINING, tmp_path / "cut", on_epoch=stop_after_two)
    resumed = prepare(network(dropout=dropout))
    fit(resumed, data, TRAINING, tmp_path / "cut", on_epoch=lambda history: None)
    for expected, found in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        assert expected.tobytes() == found.tobytes()


def test_with_patience_it_ends_early_and_takes_the_best(data: TrainingData, tmp_path: Path, monkeypatch) -> None:
    """The accuracy on what is held out is made up: 0.5, 0.7, 0.6, 0.7, and none after."""
    found = iter([0.5, 0.7, 0.6, 0.7])
    monkeypatch.setattr(fitting, "_held_out", lambda *arguments: next(found))
    patient = replace(TRAINING, epochs=9, patience=2)
    model, weights = network(), []

    def keep(history: list[dict[str, Any]]) -> None:
        weights.append(model.get_weights())
        if len(history) == 3:
            raise CutOff

    with pytest.raises(CutOff):
        fit(Prepared(model, model), data, patient, tmp_path, on_epoch=keep)
    resumed, records = network(), []
    fit(Prepared(resumed, resumed), data, patient, tmp_path, on_epoch=lambda history: records.append(list(history)))
    assert [len(history) for history in records] == [3, 4]  # the fourth is the second without a better one
    for expected, left in zip(weights[2], resumed.get_weights(), strict=True):  # as it was after the second
        assert expected.tobytes() == left.tobytes()
    again = network()
    fit(Prepared(again, again), data, patient, tmp_path, on_epoch=lambda history: None)
    for expected, left in zip(weights[2], again.get_weights(), strict=True):
        assert expected.tobytes() == left.tobytes()


def test_a_loss_that_is_not_a_number_stops_with_epoch_rate_and_remedy(data, tmp_path: Path) -> None:
    model = network()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel * np.nan, bias])
    with pytest.raises(
        TrainingError, match=r"loss is nan in epoch 1, step 1 of 'dense', at a learning rate of"
    ) as caught:
        fit(Prepared(model, model), data, TRAINING, tmp_path, on_epoch=lambda history: None)
    assert "--learning-rate 0.0002" in caught.value.hint
    assert not (tmp_path / "last.npz").exists()


def test_a_checkpoint_of_another_model_is_refused(data, tmp_path: Path) -> None:
    model = network()
    save([np.zeros(3)], [], tmp_path / "last.npz")
    with pytest.raises(TrainingError, match="does not fit this model"):
        fit(Prepared(model, model), data, TRAINING, tmp_path, on_epoch=lambda history: None)
    (tmp_path / "last.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(TrainingError, match="does not fit this model"):
        fit(Prepared(model, model), data, TRAINING, tmp_path, on_epoch=lambda history: None)
