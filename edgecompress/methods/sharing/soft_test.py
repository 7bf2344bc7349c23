"""Soft weight-sharing on a real training: zeros, few values, a plain network, and a checkpoint that fits."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import MethodError
from edgecompress.methods.base import chain, compress, only
from edgecompress.methods.pruning import MagnitudePruning
from edgecompress.methods.sharing import SoftWeightSharing


def kernels_of(model) -> np.ndarray:
    return np.concatenate([model.get_layer(name).get_weights()[0].ravel() for name in ("conv", "scores")])


def test_all_kernels_share_the_means_of_one_mixture(plain_model, trainer) -> None:
    outcome = compress(plain_model, SoftWeightSharing(components=5, deviation=0.02), trainer)
    kernels = kernels_of(outcome.model)
    assert len(np.unique(kernels)) <= 5
    assert (kernels == 0).any()
    assert [layer.name for layer in outcome.model.layers] == [layer.name for layer in plain_model.layers]
    assert [constraint.kind for constraint in outcome.constraints] == ["zeros", "shared values"]
    for note in outcome.notes:
        kernel = outcome.model.get_layer(note.layer).get_weights()[0]
        assert note.figures["distinct_values"] == len(np.unique(kernel))
        assert note.figures["sparsity"] == round(float(np.mean(kernel == 0)), 4)


def test_a_strong_prior_draws_weights_together(plain_model, trainer) -> None:
    def distance(tau: float) -> float:
        step = SoftWeightSharing(components=5, deviation=0.02, tau=tau)
        prepared = step.prepare(plain_model, optimizer_steps=16, kept=(), chosen=lambda name: True)
        trainer.train(0, prepared)
        return float(np.abs(kernels_of(prepared.model) - kernels_of(step.finalize(prepared).model)).mean())

    assert distance(100.0) < distance(1e-6)


def test_layers_that_are_not_chosen_are_trained_only(plain_model, trainer) -> None:
    outcome = compress(plain_model, only(SoftWeightSharing(), layers="conv"), trainer)
    scores = outcome.model.get_layer("scores").get_weights()[0]
    assert len(np.unique(scores)) > scores.size // 2
    assert outcome.constraints[0].layers == ("conv",)


def test_a_checkpoint_restores_into_the_same_step_prepared_anew(plain_model, trainer) -> None:
    step = SoftWeightSharing(components=5)
    first, second = (step.prepare(plain_model, optimizer_steps=16, kept=(), chosen=lambda name: True) for _ in "ab")
    trainer.train(0, first)
    second.model.set_weights(first.model.get_weights())
    for one, other in zip(*(step.finalize(each).model.get_weights() for each in (first, second)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_zeros_made_before_are_not_undone(plain_model, trainer) -> None:
    with pytest.raises(MethodError, match="comes after a method that made zeros"):
        compress(plain_model, chain(MagnitudePruning(), SoftWeightSharing()), trainer)


@pytest.mark.parametrize(
    "option", [{"components": 1}, {"zero_share": 1.0}, {"tau": -1.0}, {"prior": (0.0, 1.0)}, {"means_rate": 0.0}]
)
def test_figures_out_of_range_are_refused(option) -> None:
    with pytest.raises(MethodError, match=f"soft_weight_sharing got {next(iter(option))} "):
        SoftWeightSharing(**option)
