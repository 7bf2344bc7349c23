"""Soft weight-sharing on a real training: zeros, few values, a plain network, and a checkpoint that fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecompress.environment import load_keras
from edgecompress.errors import MethodError
from edgecompress.methods.composition import chain, only
from edgecompress.methods.compress import compress
from edgecompress.methods.pruning import MagnitudePruning
from edgecompress.methods.sharing import SoftWeightSharing
from edgecompress.methods.step import Stage


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


def test_a_strong_prior_draws_weights_together(plain_model, trainer, context) -> None:
    def distance(tau: float) -> float:
        step = SoftWeightSharing(components=5, deviation=0.02, tau=tau)
        prepared = step.prepare(plain_model, context)
        prepared = replace(prepared, callbacks=())  # which would settle every weight at a mean
        trainer.train(0, Stage(step), prepared)
        return float(np.abs(kernels_of(prepared.model) - kernels_of(step.finalize(prepared, context).model)).mean())

    assert distance(100.0) < distance(1e-6)


def test_training_ends_with_every_weight_at_a_mean(plain_model, trainer, context) -> None:
    step = SoftWeightSharing(components=5, deviation=0.02)
    prepared = step.prepare(plain_model, context)
    trainer.train(0, Stage(step), prepared)
    trained, assigned = kernels_of(prepared.model), kernels_of(step.finalize(prepared, context).model)
    # A mean is a product of two float32 numbers in training, below 1.
    np.testing.assert_allclose(trained, assigned, rtol=0, atol=8 * 2.0**-24)


def test_biases_make_up_for_the_mean_error_of_the_weights(plain_model, trainer, context, inputs) -> None:
    step = SoftWeightSharing(components=3, deviation=0.02)
    prepared = step.prepare(plain_model, context)
    prepared = replace(prepared, callbacks=())  # which would leave nothing to correct
    trainer.train(0, Stage(step), prepared)
    plain, corrected = (replace(step, images=count).finalize(prepared, context).model for count in (0, len(inputs)))
    np.testing.assert_array_equal(kernels_of(plain), kernels_of(corrected))

    def means(model) -> np.ndarray:
        upto = load_keras().Model(model.inputs, model.get_layer("conv").output)
        return upto.predict(inputs, verbose=0).mean(axis=(0, 1, 2), dtype=np.float64)

    # Means of float32 sums of 36 products and a bias, none of which, nor the sum, is above 8.
    np.testing.assert_allclose(means(corrected), means(prepared.model), atol=37 * 8 * 2.0**-24)
    assert np.abs(means(plain) - means(prepared.model)).max() > 1e-3


def test_a_layer_without_a_bias_is_shared_and_noted(awkward_model, trainer) -> None:
    outcome = compress(awkward_model, SoftWeightSharing(components=5), trainer)
    notes = {note.layer: (note.action, note.reason) for note in outcome.notes}
    assert notes["stem"] == ("clustered", "it has no bias to correct")
    assert notes["branch"] == ("clustered", "")


def test_a_network_of_two_inputs_is_shared_without_images() -> None:
    keras = load_keras()
    images = [keras.Input((4,)), keras.Input((4,))]
    model = keras.Model(images, keras.layers.Dense(3)(keras.layers.Concatenate()(images)), name="twofold")
    with pytest.raises(MethodError, match="needs a network with one input; 'twofold' has 2"):
        SoftWeightSharing().requires(model)
    SoftWeightSharing(images=0).requires(model)


def test_layers_that_are_not_chosen_are_trained_only(plain_model, trainer) -> None:
    outcome = compress(plain_model, only(SoftWeightSharing(), layers="conv"), trainer)
    scores = outcome.model.get_layer("scores").get_weights()[0]
    assert len(np.unique(scores)) > scores.size // 2
    assert outcome.constraints[0].layers == ("conv",)


def test_a_checkpoint_restores_into_the_same_step_prepared_anew(plain_model, trainer, context) -> None:
    step = SoftWeightSharing(components=5)
    first, second = (step.prepare(plain_model, context) for _ in "ab")
    trainer.train(0, Stage(step), first)
    second.model.set_weights(first.model.get_weights())
    for one, other in zip(*(step.finalize(each, context).model.get_weights() for each in (first, second)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_zeros_made_before_are_not_undone(plain_model, trainer) -> None:
    with pytest.raises(MethodError, match="comes after a method that made zeros"):
        compress(plain_model, chain(MagnitudePruning(), SoftWeightSharing()), trainer)


@pytest.mark.parametrize(
    "option",
    [
        {"components": 1},
        {"zero_share": 1.0},
        {"tau": -1.0},
        {"prior": (0.0, 1.0)},
        {"means_rate": 0.0},
        {"settling": 1.5},
        {"images": -1},
    ],
)
def test_figures_out_of_range_are_refused(option) -> None:
    with pytest.raises(MethodError, match=f"soft_weight_sharing got {next(iter(option))} "):
        SoftWeightSharing(**option)
