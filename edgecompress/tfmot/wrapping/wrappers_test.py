"""TF-MOT's wrappers come off with the network unchanged: pruned, clustered, trained or fresh, in both formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_tf_keras, load_tfmot
from edgecompress.errors import UnsupportedModelError
from edgecompress.loading import load_model, load_noted
from edgecompress.tfmot.graph import walk_layers

keras = load_tf_keras()
layers, tfmot = keras.layers, load_tfmot()
pruning, clustering = tfmot.sparsity.keras, tfmot.clustering.keras
STEPS = 4
PLAIN = {"InputLayer", "Conv2D", "BatchNormalization", "ReLU", "DepthwiseConv2D", "Flatten", "Dense"}


def network() -> Any:
    keras.utils.set_random_seed(0)
    image = layers.Input((8, 8, 4))
    inner = keras.Sequential([layers.Conv2D(8, 3), layers.BatchNormalization(), layers.ReLU()], name="inner")
    shared = layers.Conv2D(8, 3, padding="same", name="shared")
    x = shared(shared(inner(image)))
    return keras.Model(image, [layers.Dense(3, name="scores")(layers.Flatten()(x)), layers.DepthwiseConv2D(3)(x)])


WRAPPED = {
    "pruned": lambda net: pruning.prune_low_magnitude(
        net, pruning_schedule=pruning.PolynomialDecay(0.0, 0.75, 0, STEPS, frequency=1)
    ),
    "two of four": lambda net: pruning.prune_low_magnitude(net, sparsity_m_by_n=(2, 4)),
    "clustered": lambda net: clustering.cluster_weights(net, 4, clustering.CentroidInitialization.LINEAR),
}


@pytest.mark.parametrize(
    ("kind", "trained", "suffix"),
    [
        ("pruned", False, ".h5"),
        ("pruned", True, ".keras"),
        ("two of four", True, ".h5"),
        ("clustered", False, ".keras"),
        ("clustered", True, ".h5"),
        ("clustered", True, ".keras"),
    ],
)
def test_wrappers_come_off(kind: str, trained: bool, suffix: str, tmp_path: Path) -> None:
    model = WRAPPED[kind](network())
    if trained:
        train(model, [] if kind == "clustered" else [pruning.UpdatePruningStep()])
    images = np.random.default_rng(1).normal(size=(3, 8, 8, 4)).astype("float32")
    expected = model(images, training=False)
    model.save(tmp_path / f"model{suffix}")
    loaded = load_noted(tmp_path / f"model{suffix}")
    assert {"shared", "scores"} <= {note.layer for note in loaded.notes}
    assert {note.action for note in loaded.notes} == {"unwrapped"}
    assert {type(layer).__name__ for layer in walk_layers(loaded.model)} == PLAIN
    for left, right in zip(expected, loaded.model(images), strict=True):
        # The same kernels on the same weights: sums of at most 288 terms in float32, 2^-20 of the largest.
        np.testing.assert_allclose(right, left, rtol=0, atol=2.0**-20 * float(np.abs(left).max()))


def train(model: Any, callbacks: list[Any]) -> None:
    model.compile("sgd", "mse")
    images = np.random.default_rng(0).normal(size=(4 * STEPS, 8, 8, 4)).astype("float32")
    targets = [np.zeros((4 * STEPS, *shape[1:])) for shape in model.output_shape]
    model.fit(images, targets, batch_size=4, verbose=0, callbacks=callbacks)


def test_what_was_established_is_kept(tmp_path: Path) -> None:
    WRAPPED["clustered"](network()).save(tmp_path / "model.h5")
    kernel = load_model(tmp_path / "model.h5").get_layer("shared").kernel
    assert len(np.unique(kernel)) <= 4


def test_what_tf_mot_cannot_read_back_is_named(tmp_path: Path) -> None:
    steps = layers.Input((5, 4))
    model = keras.Model(steps, layers.MultiHeadAttention(2, 4, name="heads")(steps, steps))
    clustering.cluster_weights(model, 4).save(tmp_path / "model.h5")
    with pytest.raises(UnsupportedModelError, match=r"'cluster_heads' \(ClusterWeightsMHA\)"):
        load_model(tmp_path / "model.h5")
