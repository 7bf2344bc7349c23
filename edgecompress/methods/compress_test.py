"""A chain is refused before it is trained, for the reasons for which it would be refused afterwards; or it is not."""

from __future__ import annotations

import pytest

from edgecompress.errors import MethodError
from edgecompress.methods import METHODS
from edgecompress.methods.binary import BNN
from edgecompress.methods.composition import chain, only
from edgecompress.methods.compress import check
from edgecompress.methods.pruning import IterativePruning, MagnitudePruning, XNNPACKLatencyPruning
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.methods.sharing import (
    KMeansSharing,
    ProductQuantization,
    ResidualQuantization,
    SoftWeightSharing,
    WeightClustering,
)

SMALL = {kind: {"words": 3} for kind in METHODS if hasattr(kind, "words")}
SMALL[ResidualQuantization] = {"words": 3, "stages": 1}
GENERAL = [kind(**SMALL.get(kind, {})) for kind in METHODS if kind is not XNNPACKLatencyPruning]


@pytest.mark.parametrize("method", GENERAL, ids=lambda method: method.name)
def test_what_fits_passes_and_the_model_stays_as_it_is(method, awkward_model, trainer) -> None:
    before = [weight.copy() for weight in awkward_model.get_weights()]
    check(awkward_model, method, trainer)
    assert all(old.tobytes() == new.tobytes() for old, new in zip(before, awkward_model.get_weights(), strict=True))


@pytest.mark.parametrize(
    "method",
    [
        chain(MagnitudePruning(sparsity=0.5), WeightClustering(clusters=8), QuantizationAwareTraining()),
        chain(IterativePruning(sparsity=0.5), KMeansSharing(8, 8), QuantizationAwareTraining()),
        chain(
            only(MagnitudePruning(sparsity=0.5), layers="branch|scores"),
            only(ProductQuantization(words=3), layers="stem"),
        ),
        chain(IterativePruning(sparsity=0.5), IterativePruning(sparsity=0.7)),
    ],
)
def test_chains_that_fit_pass(method, awkward_model, trainer) -> None:
    check(awkward_model, method, trainer)


@pytest.mark.parametrize(
    ("make", "message", "hint"),
    [
        (lambda: only(MagnitudePruning(), layers="brunch"), "No layer of 'awkward' matches", "Did you mean 'branch'?"),
        (lambda: IterativePruning(sparsities={"score": 0.5}), "No layer of 'awkward' matches", "'scores'?"),
        (lambda: MagnitudePruning(n_of_m="3:7"), "Nothing in 'awkward' can be pruned", "divide the kernels"),
        (lambda: only(MagnitudePruning(), layers="pool"), "Nothing in 'awkward' can be pruned", "other layers"),
        (lambda: XNNPACKLatencyPruning(), "'awkward' would not run sparse", "XNNPACK runs"),
        (lambda: WeightClustering(clusters=1_000_000), "Nothing in 'awkward' can be clustered", "other layers"),
        (lambda: ProductQuantization(words=1000), "Nothing in 'awkward' can be vector-quantized", "fewer words"),
        (
            lambda: chain(KMeansSharing(8, 8), MagnitudePruning()),
            "made shared values in .* which it would undo",
            "turn their order",
        ),
        (lambda: chain(MagnitudePruning(), SoftWeightSharing()), "comes after a method that made zeros", "Leave"),
        (lambda: chain(MagnitudePruning(), BNN()), "made zeros in .* which it would undo", "Leave that layer out"),
        (lambda: chain(QuantizationAwareTraining(), BNN()), "comes after quantization-aware", "last"),
        (
            lambda: chain(ProductQuantization(words=3), MagnitudePruning()),
            "made words of codebooks in",
            "turn their order",
        ),
    ],
)
def test_what_does_not_fit_is_refused_without_training(make, message, hint, awkward_model, trainer) -> None:
    with pytest.raises(MethodError, match=message) as caught:
        check(awkward_model, make(), trainer)
    assert hint in caught.value.hint
