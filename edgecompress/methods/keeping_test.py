"""What one step made, those after it keep, also in layers that they only train: or they refuse by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.errors import MethodError
from edgecompress.keras_bridge.kernels import kernel_zeros
from edgecompress.methods.binary import BWN, BinaryConnect
from edgecompress.methods.composition import chain, only
from edgecompress.methods.compress import compress
from edgecompress.methods.held import HeldZeros
from edgecompress.methods.keeping import require_kept
from edgecompress.methods.protocol import Constraint, Kept, Outcome
from edgecompress.methods.pruning import IterativePruning, MagnitudePruning
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.methods.sharing import KMeansSharing, ProductQuantization, SoftWeightSharing, WeightClustering


@pytest.fixture
def model() -> Any:
    keras = load_keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((8, 8, 4))
    x = layers.ReLU()(layers.Conv2D(8, 3, name="first")(image))
    x = layers.ReLU()(layers.Conv2D(8, 3, name="middle")(x))
    return keras.Model(image, layers.Dense(4, activation="softmax", name="last")(layers.Flatten()(x)), name="three")


def weights(model: Any) -> dict[str, list[np.ndarray]]:
    """Kernel and bias of each layer as they are now."""
    return {name: [each.copy() for each in model.get_layer(name).get_weights()] for name in ("first", "middle", "last")}


MADE = {
    "zeros": only(MagnitudePruning(sparsity=0.5), layers="first|last"),
    "shared": only(KMeansSharing(4, 4), layers="first|last"),
    "words": only(ProductQuantization(words=3), layers="first|last"),
}
TRAINED = [
    only(MagnitudePruning(sparsity=0.5), layers="middle"),
    only(IterativePruning(sparsity=0.5), layers="middle"),
    only(WeightClustering(clusters=8), layers="middle"),
    only(KMeansSharing(8, 8), layers="middle"),
    only(SoftWeightSharing(components=4), layers="middle"),
    only(QuantizationAwareTraining(), layers="middle"),
    BWN(),  # the first and the last layer stay real
    BinaryConnect(),
]


@pytest.mark.parametrize("after", TRAINED, ids=lambda method: method.plan()[0].step.name)
@pytest.mark.parametrize("made", MADE)
def test_layers_that_are_only_trained_keep_what_they_have(made, after, model, trainer) -> None:
    stages = []
    method = chain(MADE[made], after)
    found = compress(model, method, trainer, on_stage=lambda _, outcome: stages.append(weights(outcome.model))).model
    before, trained = stages
    for name in ("first", "last"):
        old, new = before[name][0], trained[name][0]
        if made == "zeros":
            np.testing.assert_array_equal(new[old == 0], 0)
            # The rest was trained; TF-MOT may wrap what stays float, and its kernel is left whole then.
            assert np.array_equal(new, old) == (after.plan()[0].step.name == "quantization_aware_training")
        else:
            np.testing.assert_array_equal(new, old)
    assert not np.array_equal(trained["middle"][0], before["middle"][0])
    assert not np.array_equal(trained["last"][1], before["last"][1])
    assert all(layer.trainable for layer in found.layers)


def test_a_kernel_with_more_zeros_than_are_asked_for_is_not_pruned_again(model, trainer) -> None:
    first = only(MagnitudePruning(sparsity=0.75), layers="first")
    outcome = compress(model, chain(first, MagnitudePruning(sparsity=0.5)), trainer)
    assert kernel_zeros(outcome.model.get_layer("first")) == 0.75
    assert kernel_zeros(outcome.model.get_layer("middle")) == 0.5
    reasons = [note.reason for note in outcome.notes if note.layer == "first"]
    assert reasons[-1] == "0.75 of its kernel is zero already"


def test_zeros_that_words_would_fill_are_refused(model, trainer) -> None:
    with pytest.raises(MethodError, match=r"product_quantization comes after a method that made zeros in 'first'"):
        compress(model, chain(MADE["zeros"], ProductQuantization(words=3)), trainer)


@pytest.mark.parametrize(
    ("kind", "before", "after", "words"),
    [
        (Kept.ZEROS, [0, 1, 2, 3], [0, 1, 2, 3], ""),
        (Kept.ZEROS, [0, 1, 2, 3], [1, 0, 0, 3], ""),  # as many as before
        (Kept.ZEROS, [0, 0, 2, 3], [0, 1, 2, 3], "1 of 2 are left"),
        (Kept.SHARED_VALUES, [1, 1, 2, 2], [5, 5, 5, 7], ""),
        (Kept.SHARED_VALUES, [1, 1, 2, 2], [5, 6, 5, 7], "2 values before, 3 after"),
        (Kept.WORDS, [1, 2, 3, 4], [1, 2, 3, 4], ""),
        (Kept.WORDS, [1, 2, 3, 4], [1, 2, 3, 5], "others now"),
    ],
)
def test_what_was_lost_is_told_by_layer(kind, before, after, words, model) -> None:
    def with_kernel(values: list[int]) -> Any:
        keras = load_keras()
        found = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="dense")])
        found.get_layer("dense").kernel.assign(np.array(values, np.float32).reshape(2, 2))
        return found

    outcomes = Outcome(with_kernel(before), constraints=(Constraint(kind, ("dense",)),)), Outcome(with_kernel(after))
    if not words:
        return require_kept(BWN.name, *outcomes)
    with pytest.raises(MethodError, match=f"bwn lost {kind} of 'dense': .*{words}"):
        require_kept(BWN.name, *outcomes)


def test_what_is_held_are_the_zeros_when_training_begins() -> None:
    kernel = load_tensorflow().Variable([0.0, 1.0, 2.0])
    held = HeldZeros([kernel])
    held.begin(0)
    kernel.assign([0.5, 1.5, 2.5])
    held.after(1)
    assert kernel.numpy().tolist() == [0.0, 1.5, 2.5]
