"""Distinct values and kept zeros of weight clustering, on a real training."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import MethodError
from edgecompress.methods.composition import chain
from edgecompress.methods.compress import compress
from edgecompress.methods.pruning import MagnitudePruning
from edgecompress.methods.sharing import WeightClustering


@pytest.mark.parametrize("initialization", ["kmeans_plus_plus", "linear", "density_based", "random"])
def test_a_kernel_keeps_at_most_so_many_values(initialization, plain_model, trainer) -> None:
    outcome = compress(plain_model, WeightClustering(clusters=4, initialization=initialization), trainer)
    for note in outcome.notes:
        kernel = np.asarray(outcome.model.get_layer(note.layer).kernel)
        assert len(np.unique(kernel)) == note.figures["distinct_values"] <= 4


def test_zeros_that_pruning_made_stay_zero(plain_model, trainer) -> None:
    outcome = compress(plain_model, chain(MagnitudePruning(sparsity=0.5), WeightClustering(clusters=8)), trainer)
    kernel = np.asarray(outcome.model.get_layer("scores").kernel)
    assert np.count_nonzero(kernel) <= kernel.size // 2
    assert len(np.unique(np.abs(kernel[kernel != 0]))) <= 8


def test_a_kernel_smaller_than_the_codebook_is_left_with_a_reason(plain_model, trainer) -> None:
    outcome = compress(plain_model, WeightClustering(clusters=500), trainer)
    notes = {note.layer: note for note in outcome.notes}
    assert notes["conv"].reason == "288 weights are no more than 500 clusters"
    assert notes["scores"].action == "clustered"


def test_one_cluster_is_refused() -> None:
    with pytest.raises(MethodError, match="clusters 1"):
        WeightClustering(clusters=1)
