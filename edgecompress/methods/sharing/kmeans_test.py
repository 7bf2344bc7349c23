"""Shared values of k-means, on a real training: few, with zeros kept, and the same after a restart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edgecompress.errors import MethodError
from edgecompress.methods.composition import chain
from edgecompress.methods.compress import compress
from edgecompress.methods.pruning import MagnitudePruning
from edgecompress.methods.sharing import KMeansSharing
from edgecompress.methods.step import Stage


def kernel_of(model, name: str) -> np.ndarray:
    return np.asarray(model.get_layer(name).get_weights()[0])


@pytest.mark.parametrize("initialization", ["linear", "density", "random"])
def test_a_kernel_has_few_values_which_were_trained(initialization, plain_model, trainer) -> None:
    outcome = compress(plain_model, KMeansSharing(4, 8, initialization), trainer)
    for name, clusters in {"conv": 8, "scores": 4}.items():
        before, after = kernel_of(plain_model, name), kernel_of(outcome.model, name)
        assert len(np.unique(after)) <= clusters
        # Clusters are intervals of the old weights, and training moved their values.
        old = [before[after == value] for value in np.unique(after)]
        borders = sorted((part.min(), part.max()) for part in old)
        assert all(left[1] < right[0] for left, right in itertools.pairwise(borders))
        assert not np.isin(np.unique(after), [part.mean(dtype=np.float64).astype(np.float32) for part in old]).all()
    assert [note.figures["distinct_values"] for note in outcome.notes] == [
        len(np.unique(kernel_of(outcome.model, note.layer))) for note in outcome.notes
    ]


def test_pruned_weights_stay_zero_and_take_no_cluster(plain_model, trainer) -> None:
    pruned = compress(plain_model, MagnitudePruning(sparsity=0.5), trainer)
    outcome = compress(plain_model, chain(MagnitudePruning(sparsity=0.5), KMeansSharing(8, 8)), trainer)
    for name in ("conv", "scores"):
        kernel = kernel_of(outcome.model, name)
        np.testing.assert_array_equal(kernel == 0, kernel_of(pruned.model, name) == 0)
        assert len(np.unique(kernel[kernel != 0])) <= 8


def test_a_depthwise_kernel_is_shared_too(awkward_model, trainer) -> None:
    outcome = compress(awkward_model, KMeansSharing(4, 4), trainer)
    assert "separable_depthwise" in outcome.constraints[0].layers
    assert len(np.unique(kernel_of(outcome.model, "separable_depthwise"))) <= 4


def test_biases_are_shared_on_request(awkward_model, trainer) -> None:
    awkward_model.get_layer("branch").bias.assign(np.linspace(-1, 1, 8))
    biases = [
        compress(awkward_model, KMeansSharing(4, 4, share_biases=count), trainer).model.get_layer("branch").bias
        for count in (0, 3)
    ]
    assert [len(np.unique(bias)) for bias in biases] == [8, 3]


def test_a_checkpoint_restores_into_the_same_step_prepared_anew(plain_model, trainer, context) -> None:
    step = KMeansSharing(4, 8)
    first, second = (step.prepare(plain_model, context) for _ in range(2))
    trainer.train(0, Stage(step), first)
    second.model.set_weights(first.model.get_weights())
    for one, other in zip(*(step.finalize(each, context).model.get_weights() for each in (first, second)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_kernel_with_fewer_survivors_than_clusters_is_left_with_the_reason(plain_model, trainer) -> None:
    outcome = compress(plain_model, KMeansSharing(4, 500), trainer)
    assert {note.layer: note.reason for note in outcome.notes}["conv"] == "288 weights are no more than 500 clusters"
    with pytest.raises(MethodError, match="Nothing in 'plain' can be clustered"):
        compress(plain_model, KMeansSharing(5000, 500), trainer)


@pytest.mark.parametrize("option", [{"clusters": 1}, {"conv_clusters": 0}, {"share_biases": 1}, {"seed": -1}])
def test_figures_out_of_range_are_refused(option) -> None:
    with pytest.raises(MethodError, match=" ".join(map(str, *option.items()))):
        KMeansSharing(**option)
