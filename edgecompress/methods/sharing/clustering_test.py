"""Distinct values and kept zeros of weight clustering, on a real training."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import MethodError
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.methods.composition import chain
from edgecompress.methods.compress import compress
from edgecompress.methods.protocol import Constraint, Kept
from edgecompress.methods.pruning import MagnitudePruning
from edgecompress.methods.sharing import WeightClustering

ENGINES = pytest.mark.parametrize("engine", ["tf-mot", "native"])


STARTS = pytest.mark.parametrize("initialization", ["kmeans_plus_plus", "linear", "density_based", "random"])


@STARTS
def test_a_kernel_keeps_at_most_so_many_values(initialization, plain_model, trainer) -> None:
    outcome = compress(plain_model, WeightClustering(clusters=4, initialization=initialization), trainer)
    for note in outcome.notes:
        kernel = np.asarray(outcome.model.get_layer(note.layer).kernel)
        assert len(np.unique(kernel)) == note.figures["distinct_values"] <= 4
        assert note.action == "clustered" and not note.reason


@STARTS
def test_values_begin_natively_where_k_means_ends(initialization, plain_model, context) -> None:
    method = WeightClustering(clusters=4, initialization=initialization, engine="native")
    prepared = method.prepare(plain_model, context)
    for name in ("conv", "scores"):
        kernel, decoded = plain_model.get_layer(name).kernel.numpy(), prepared.model.get_layer(name).decoded("kernel")
        values = np.unique(decoded)
        assert len(values) == 4
        for value in values:
            # Of at most 1,152 weights below 1, in float64, rounded to float32.
            assert abs(kernel[decoded == value].mean(dtype=np.float64) - value) < 2.0**-24


@ENGINES
def test_zeros_that_pruning_made_stay_zero(engine, plain_model, trainer) -> None:
    method = chain(MagnitudePruning(sparsity=0.5), WeightClustering(clusters=8, engine=engine))
    outcome = compress(plain_model, method, trainer)
    kernel = np.asarray(outcome.model.get_layer("scores").kernel)
    assert np.count_nonzero(kernel) <= kernel.size // 2
    assert len(np.unique(kernel)) <= 8


@ENGINES
def test_a_kernel_smaller_than_the_codebook_is_left_with_a_reason(engine, plain_model, trainer) -> None:
    outcome = compress(plain_model, WeightClustering(clusters=500, engine=engine), trainer)
    notes = {note.layer: note for note in outcome.notes}
    assert notes["conv"].reason == "288 weights are no more than 500 clusters"
    assert notes["scores"].action == "clustered"


def test_one_cluster_is_refused() -> None:
    with pytest.raises(MethodError, match="clusters 1"):
        WeightClustering(clusters=1)


@pytest.mark.parametrize("engine", ["auto", "native"])
def test_what_tfmot_cannot_take_is_clustered_natively(engine, untranslatable_model, trainer) -> None:
    outcome = compress(untranslatable_model, WeightClustering(clusters=8, engine=engine), trainer)
    notes = {note.layer: note for note in outcome.notes}
    for name in {"stem", "twice", "einsum", "sequence", "scores"} | ({"depthwise"} if engine == "native" else set()):
        assert len(np.unique(kernels(outcome.model.get_layer(name))[0])) <= 8
        assert notes[name].action == "clustered" and name in outcome.constraints[0].layers
        why = notes[name].reason
        assert (why.startswith("natively: ") and "(Tile)" in why) if engine == "auto" else why == ""
    if engine == "auto":
        assert notes["depthwise"].action == "skipped" and 'engine="native" treats it' in notes["depthwise"].reason


def test_weights_come_to_other_values_natively(plain_model, context, trainer) -> None:
    """By clusters that are trained apart and weights that are trained across their borders."""
    method = WeightClustering(clusters=4, engine="native")
    prepared = method.prepare(plain_model, context)
    before = prepared.model.get_layer("scores").decoded("kernel")
    trainer.train(0, None, prepared)
    after = prepared.model.get_layer("scores").decoded("kernel")
    left, right = (np.unique(kernel, return_inverse=True)[1].ravel() for kernel in (before, after))
    moved = np.count_nonzero(left != right)
    assert 0 < moved < left.size / 4


def test_values_that_were_shared_before_stay_as_few(plain_model, trainer) -> None:
    method = chain(WeightClustering(clusters=4), WeightClustering(clusters=16, engine="native"))
    outcome = compress(plain_model, method, trainer)
    assert all(note.figures["distinct_values"] <= 4 for note in outcome.notes)


@pytest.mark.parametrize("kept_zeros", [False, True])
def test_a_native_training_that_was_cut_off_goes_on_as_if_it_had_not_been(whole_and_resumed, kept_zeros) -> None:
    before = (Constraint(Kept.ZEROS, ("conv", "scores")),) if kept_zeros else ()
    method = WeightClustering(clusters=8, engine="native")
    whole, resumed = whole_and_resumed(method, cut_in_epoch=2, kept=before)
    for one, other in zip(whole, resumed, strict=True):
        assert one.tobytes() == other.tobytes()
