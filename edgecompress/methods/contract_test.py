"""What holds for every method in the table, and for chains of them."""

from __future__ import annotations

import re

import numpy as np
import pytest

from edgecompress import methods
from edgecompress.environment import load_keras
from edgecompress.errors import MethodError, UnsupportedModelError
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.layers import custom_objects
from edgecompress.methods import METHODS, find
from edgecompress.methods.binary import BNN, BWN, XNORNet
from edgecompress.methods.composition import chain, only
from edgecompress.methods.compress import compress
from edgecompress.methods.pruning import MagnitudePruning, XNNPACKLatencyPruning
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.methods.sharing import (
    KMeansSharing,
    ProductQuantization,
    QuantizedCNN,
    ResidualQuantization,
    WeightClustering,
)

GENERAL = [method for method in METHODS if method is not XNNPACKLatencyPruning]  # that one asks for a special network

# The figures of those whose own do not fit a network this small.
SMALL = {kind: {"words": 3} for kind in (ProductQuantization, QuantizedCNN)} | {
    ResidualQuantization: {"words": 3, "stages": 1}
}
ENGINES = [kind(engine="native") for kind in (MagnitudePruning, WeightClustering, QuantizationAwareTraining)]
STEPS = [*(kind(**SMALL.get(kind, {})) for kind in GENERAL), *ENGINES]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_documented(method) -> None:
    assert re.fullmatch(r"[a-z_]+", method.name)
    assert method.summary and "arXiv:" in method.paper
    assert "arXiv:" in method.__doc__


@pytest.mark.parametrize("method", STEPS)
def test_the_given_model_stays_and_the_outcome_is_plain_keras_and_accounts_for_every_kernel(
    method, awkward_model, trainer
) -> None:
    before = [weight.copy() for weight in awkward_model.get_weights()]
    layers = [layer.name for layer in awkward_model.layers]
    outcome = compress(awkward_model, method, trainer)
    assert [layer.name for layer in awkward_model.layers] == layers
    for old, new in zip(before, awkward_model.get_weights(), strict=True):
        assert old.tobytes() == new.tobytes()
    keras = load_keras()
    known = tuple(custom_objects().values()) if isinstance(method, BNN | XNORNet) else ()  # no Keras layer takes signs
    assert all(type(layer).__module__.startswith("keras.") or type(layer) in known for layer in outcome.model.layers)
    rebuilt = keras.Model.from_config(outcome.model.get_config(), {layer.__name__: layer for layer in known})
    assert rebuilt.count_params() == outcome.model.count_params()
    with_kernels = {layer.name for layer in outcome.model.layers if hasattr(layer, "kernel")}
    assert with_kernels <= {note.layer for note in outcome.notes}
    assert all(note.reason for note in outcome.notes if note.action in {"skipped", "kept float"})


def test_nested_models_are_flattened_and_colliding_names_told_apart(awkward_model, trainer) -> None:
    outcome = compress(awkward_model, MagnitudePruning(sparsity=0.5), trainer)
    names = [layer.name for layer in outcome.model.layers]
    assert "stem" in names and any(name.endswith("_stem") for name in names)
    assert not any(isinstance(layer, load_keras().Model) for layer in outcome.model.layers)


def test_a_subclassed_model_is_refused_by_name(trainer) -> None:
    keras = load_keras()

    class Subclassed(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="mine")
            self.dense = keras.layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs)

    model = Subclassed()
    model(np.zeros((1, 3), np.float32))
    with pytest.raises(UnsupportedModelError, match=r"'mine' is a subclassed model \(Subclassed\)"):
        compress(model, MagnitudePruning(), trainer)


def test_a_chain_keeps_what_was_established(awkward_model, trainer) -> None:
    method = chain(MagnitudePruning(sparsity=0.5), WeightClustering(clusters=8), QuantizationAwareTraining())
    outcome = compress(awkward_model, method, trainer)
    assert [constraint.kind for constraint in outcome.constraints] == ["zeros", "shared values"]
    for name in outcome.constraints[0].layers:
        kernel = np.asarray(outcome.model.get_layer(name).kernel)
        # Half of an even number of elements is zero exactly; TF-MOT may keep the threshold element of an odd one.
        assert np.count_nonzero(kernel) <= kernel.size // 2 + 1
        assert len(np.unique(kernel)) <= 8
    assert outcome.quantized is not None


def weights_left(outcome) -> dict[str, int]:
    """How many weights of each pruned kernel are not zero now."""
    layers = outcome.constraints[0].layers
    return {name: int(np.count_nonzero(np.asarray(outcome.model.get_layer(name).kernel))) for name in layers}


def test_zeros_survive_quantization_aware_training(awkward_model, trainer) -> None:
    stages = []
    method = chain(MagnitudePruning(sparsity=0.8), QuantizationAwareTraining())
    compress(awkward_model, method, trainer, on_stage=lambda _, outcome: stages.append(weights_left(outcome)))
    alone, both = stages
    assert alone and all(both[name] <= left for name, left in alone.items())


@pytest.mark.parametrize(
    "sharing", [WeightClustering(clusters=8), WeightClustering(clusters=8, engine="native"), KMeansSharing(8, 8)]
)
@pytest.mark.parametrize("before", [(), (only(MagnitudePruning(sparsity=0.5), layers="branch|scores"),)])
def test_shared_values_survive_quantization_aware_training(before, sharing, awkward_model, trainer) -> None:
    """Some kernels have zeros to keep and others have none; depthwise ones are clustered by some methods."""
    stages = []
    method = chain(*before, sharing, QuantizationAwareTraining(keep_float="separable_pointwise"))
    compress(awkward_model, method, trainer, on_stage=lambda index, outcome: stages.append(outcome))
    *_, shared, both = stages
    assert both.quantized is not None
    for name in shared.constraints[-1].layers:
        old, new = (np.asarray(kernels(each.model.get_layer(name))[0]) for each in (shared, both))
        assert len(np.unique(new)) <= len(np.unique(old))
        np.testing.assert_array_equal(new[old == 0], 0)
    assert not np.array_equal(both.model.get_layer("stem").kernel, shared.model.get_layer("stem").kernel)
    assert all(layer.trainable for layer in both.model.layers)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (WeightClustering(clusters=8), MagnitudePruning()),
        (KMeansSharing(clusters=8, conv_clusters=8), MagnitudePruning()),
        (QuantizationAwareTraining(), MagnitudePruning()),
    ],
)
def test_a_chain_that_would_undo_itself_is_refused(first, second, plain_model, trainer) -> None:
    with pytest.raises(MethodError, match="comes after"):
        compress(plain_model, chain(first, second), trainer)


@pytest.mark.parametrize("second", [QuantizationAwareTraining(), only(MagnitudePruning(), layers="stem")])
@pytest.mark.parametrize("first", [BWN(), BNN()])
def test_nothing_that_undoes_signs_may_follow_binary_training(first, second, awkward_model, trainer) -> None:
    with pytest.raises(MethodError, match="comes after binary training"):
        compress(awkward_model, chain(first, second), trainer)


def test_only_restricts_a_method_by_name(awkward_model, trainer) -> None:
    outcome = compress(awkward_model, only(MagnitudePruning(sparsity=0.5), layers="branch|scores"), trainer)
    actions = {note.layer: note.action for note in outcome.notes}
    assert actions["branch"] == actions["scores"] == "pruned"
    assert actions["stem"] == "skipped"


def test_only_names_a_pattern_that_matches_nothing(plain_model, trainer) -> None:
    with pytest.raises(MethodError, match=r"No layer of 'plain' matches the pattern 'nothing'"):
        compress(plain_model, only(MagnitudePruning(), layers="nothing"), trainer)
    with pytest.raises(MethodError, match="not a regular expression"):
        only(MagnitudePruning(), layers="(")


def test_find_suggests_the_nearest_name() -> None:
    assert find("weight_clustering") is WeightClustering
    with pytest.raises(MethodError, match="Did you mean 'magnitude_pruning'"):
        find("magnitud_pruning")


def test_every_method_is_there_to_be_composed_with() -> None:
    assert {kind.__name__ for kind in METHODS} <= set(methods.__all__)
    assert all(getattr(methods, kind.__name__) is kind for kind in METHODS)
