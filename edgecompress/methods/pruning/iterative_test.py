"""Rounds, thresholds, masks and dropout of iterative pruning, on real trainings."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from edgecompress.environment import load_keras
from edgecompress.errors import MethodError
from edgecompress.methods.composition import chain, only
from edgecompress.methods.compress import compress
from edgecompress.methods.protocol import Constraint, Kept, StepCallback
from edgecompress.methods.pruning import IterativePruning, MagnitudePruning
from edgecompress.methods.sharing import WeightClustering

STEPS = 16  # of the trainer


def zeros(model, name: str) -> int:
    kernel = np.asarray(model.get_layer(name).kernel)
    return int(kernel.size - np.count_nonzero(kernel))


class Watching:
    """Train by another trainer, and note each kernel's zeros and each dropout's rate at the end of every step."""

    def __init__(self, trainer) -> None:
        self.trainer = trainer
        self.zeros: list[dict[str, np.ndarray]] = []
        self.rates: list[float] = []

    def optimizer_steps(self, stage) -> int:
        return self.trainer.optimizer_steps(stage)

    def samples(self, count: int) -> tuple[np.ndarray, ...]:
        return self.trainer.samples(count)

    def train(self, index: int, stage, prepared) -> None:
        watcher = StepCallback()
        watcher.after = lambda done: self._note(prepared.model)
        self.trainer.train(index, stage, replace(prepared, callbacks=(*prepared.callbacks, watcher)))

    def _note(self, model) -> None:
        kernels = {layer.name: np.asarray(layer.kernel) == 0 for layer in model.layers if hasattr(layer, "kernel")}
        self.zeros.append(kernels)
        dropouts = [layer for layer in model.layers if hasattr(layer, "rate")]
        self.rates += [float(getattr(layer, "rescaled", layer.rate)) for layer in dropouts]


def test_each_round_removes_the_same_share_of_what_is_left(plain_model, trainer) -> None:
    watching = Watching(trainer)
    outcome = compress(plain_model, IterativePruning(sparsity=0.9375), watching)
    left = [1 - float(step["scores"].mean()) for step in watching.zeros]
    # 4 rounds, each of which halves; 1,152 weights can be halved four times. They begin at 0, 8/3, 16/3 and 8 of 16.
    assert left == [0.5] * 2 + [0.25] * 3 + [0.125] * 3 + [0.0625] * 8
    assert {note.layer: note.figures["sparsity"] for note in outcome.notes} == {"conv": 0.9375, "scores": 0.9375}
    assert outcome.constraints == (Constraint(Kept.ZEROS, ("conv", "scores")),)


def test_what_was_removed_never_comes_back_and_the_rest_is_trained(plain_model, trainer) -> None:
    watching = Watching(trainer)
    outcome = compress(plain_model, IterativePruning(sparsity=0.9), watching)
    for name in ("conv", "scores"):
        for before, after in zip(watching.zeros, watching.zeros[1:], strict=False):
            assert (after[name] >= before[name]).all()
        old, new = (np.asarray(model.get_layer(name).kernel) for model in (plain_model, outcome.model))
        assert (new != old)[new != 0].all()


def test_the_smallest_weights_go(plain_model, trainer) -> None:
    watching = Watching(trainer)
    compress(plain_model, IterativePruning(sparsity=0.5, rounds=1), watching)
    start = np.abs(np.asarray(plain_model.get_layer("scores").kernel))
    gone = watching.zeros[0]["scores"]
    assert start[gone].max() <= start[~gone].min()


def test_layers_can_have_their_own_sparsity_and_the_first_match_counts(awkward_model, trainer) -> None:
    method = IterativePruning(sparsity=0.5, sparsities={"branch": 0.75, "b.*": 0.25, "stem": 0.0})
    outcome = compress(awkward_model, method, trainer)
    notes = {note.layer: note for note in outcome.notes}
    assert notes["branch"].figures == {"sparsity": 0.75}
    assert notes["scores"].figures == {"sparsity": 0.5}
    assert (notes["stem"].action, notes["stem"].reason) == ("skipped", "nothing is to be removed")
    assert zeros(outcome.model, "stem") == 0
    assert notes["separable_depthwise"].reason == "each channel has few weights of its own in a DepthwiseConv2D"
    assert "stem" not in outcome.constraints[0].layers and "branch" in outcome.constraints[0].layers


def test_quality_sets_the_threshold_in_standard_deviations(plain_model, trainer) -> None:
    method = IterativePruning(quality=1.2, qualities={"conv": 0.6}, rounds=2)
    watching = Watching(trainer)
    compress(plain_model, method, watching)
    for name, quality in (("conv", 0.6), ("scores", 1.2)):
        start = np.asarray(plain_model.get_layer(name).kernel)
        for at, share in ((0, 0.5), (STEPS // 2, 1.0)):
            gone, threshold = watching.zeros[at][name], share * quality * start.std()
            if at == 0:
                np.testing.assert_array_equal(gone, np.abs(start) < threshold)
            assert gone.sum() > 0
        assert watching.zeros[-1][name].sum() > watching.zeros[0][name].sum()


def test_a_threshold_above_all_weights_leaves_one(plain_model, trainer) -> None:
    outcome = compress(plain_model, IterativePruning(quality=1000.0), trainer)
    assert np.count_nonzero(np.asarray(outcome.model.get_layer("conv").kernel)) == 1


def test_a_training_shorter_than_the_rounds_still_ends_sparse(plain_model, trainer) -> None:
    outcome = compress(plain_model, IterativePruning(sparsity=0.75, rounds=50), trainer)
    assert zeros(outcome.model, "scores") == 3 * 1152 // 4


def test_zeros_of_an_earlier_method_stay_where_nothing_is_pruned(plain_model, trainer) -> None:
    first = only(MagnitudePruning(sparsity=0.75), layers="conv")
    both = compress(plain_model, chain(first, only(IterativePruning(sparsity=0.5), layers="scores")), trainer)
    assert zeros(both.model, "conv") == 3 * 288 // 4
    assert zeros(both.model, "scores") == 1152 // 2
    more = compress(plain_model, chain(first, IterativePruning(sparsity=0.5)), trainer)
    assert zeros(more.model, "conv") == 3 * 288 // 4


def test_it_comes_before_clustering(plain_model, trainer) -> None:
    with pytest.raises(MethodError, match="iterative_pruning comes after a method that made shared values in 'conv'"):
        compress(plain_model, chain(WeightClustering(clusters=4), IterativePruning()), trainer)


@pytest.mark.parametrize(
    "figures",
    [
        {"sparsity": 1.0},
        {"sparsity": math.nan},
        {"sparsities": {"conv": -0.1}},
        {"sparsities": {"(": 0.5}},
        {"quality": -1.0},
        {"quality": math.inf},
        {"qualities": {"conv": 1.0}},
        {"quality": 1.0, "sparsities": {"conv": 0.5}},
        {"rounds": 0},
    ],
)
def test_figures_out_of_range_are_refused(figures) -> None:
    with pytest.raises(MethodError, match="iterative_pruning"):
        IterativePruning(**figures)


def test_nothing_to_do_and_a_pattern_without_a_layer_are_refused(plain_model, trainer) -> None:
    with pytest.raises(MethodError, match="No layer of 'plain' matches the pattern 'cnov'"):
        compress(plain_model, IterativePruning(sparsities={"cnov": 0.5}), trainer)
    with pytest.raises(MethodError, match=r"Nothing in 'plain' can be pruned \(conv: nothing is to be removed"):
        compress(plain_model, IterativePruning(sparsity=0.0), trainer)


@pytest.fixture
def dropping_model():
    """Dropout that feeds two layers by way of others, and one in front of a layer of its own."""
    keras = load_keras()
    keras.utils.set_random_seed(2)
    layers = keras.layers
    image = keras.Input((8, 8, 4))
    x = layers.Flatten(name="flat")(image)
    x = layers.Dense(32, name="first")(x)
    x = layers.Dropout(0.5, name="wide")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Concatenate(name="both")([layers.Dense(24, name="left")(x), layers.Dense(8, name="right")(x)])
    x = layers.Dropout(0.4, name="narrow")(x)
    x = layers.Dense(4, name="scores")(x)
    x = layers.Dropout(0.2, name="outputs")(x)  # feeds no kernel
    return keras.Model(image, layers.Softmax(name="softmax")(x), name="dropping")


def test_dropout_follows_the_connections_that_it_feeds_into(dropping_model, trainer) -> None:
    watching = Watching(trainer)
    method = IterativePruning(sparsity=0.75, sparsities={"right": 0.0}, rounds=2)
    outcome = compress(dropping_model, method, watching)
    rates = np.array(watching.rates).reshape(STEPS, 3)  # wide, narrow, outputs
    # 32 x 24 weights are halved twice, 32 x 8 beside them stay: of 1,024 connections 640 are left, then 448.
    np.testing.assert_allclose(rates[0], [0.5 * math.sqrt(640 / 1024), 0.4 * math.sqrt(1 / 2), 0.2], rtol=1e-6)
    np.testing.assert_allclose(rates[-1], [0.5 * math.sqrt(448 / 1024), 0.4 * math.sqrt(1 / 4), 0.2], rtol=1e-6)
    plain = load_keras().layers.Dropout
    assert all(type(outcome.model.get_layer(name)) is plain for name in ("wide", "narrow", "outputs"))
    assert outcome.model.get_layer("narrow").rate == 0.2
    notes = {note.layer: note for note in outcome.notes if note.action == "rescaled"}
    assert set(notes) == {"wide", "narrow"} and notes["narrow"].figures == {"rate": 0.2, "rate_before": 0.4}
    assert dropping_model.get_layer("narrow").rate == 0.4


# Of 15 steps, 5 an epoch: 4 rounds begin at 0, 2, 5 (with an epoch) and 7, and 2 at 0 and 7.
@pytest.mark.parametrize(("rounds", "cut_in_epoch"), [(4, 2), (4, 3), (2, 2)])
def test_a_training_that_was_cut_off_goes_on_as_if_it_had_not_been(whole_and_resumed, rounds, cut_in_epoch) -> None:
    whole, resumed = whole_and_resumed(IterativePruning(sparsity=0.875, rounds=rounds), cut_in_epoch=cut_in_epoch)
    for one, other in zip(whole, resumed, strict=True):
        assert one.tobytes() == other.tobytes()
