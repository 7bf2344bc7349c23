"""A chain is refused before it is trained, for the reasons for which it would be refused afterwards; or it is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from edgecompress.errors import MethodError
from edgecompress.keras_bridge.graph import replay
from edgecompress.keras_bridge.kernels import kernel_zeros
from edgecompress.methods import METHODS
from edgecompress.methods.binary import BNN
from edgecompress.methods.composition import chain, only
from edgecompress.methods.compress import check, compress
from edgecompress.methods.protocol import Context, Kept, Outcome, Prepared, Traits
from edgecompress.methods.pruning import IterativePruning, MagnitudePruning, XNNPACKLatencyPruning
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.methods.sharing import (
    KMeansSharing,
    ProductQuantization,
    ResidualQuantization,
    SoftWeightSharing,
    WeightClustering,
)
from edgecompress.methods.step import Step
from edgecompress.values import LayerNote

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


@dataclass(frozen=True)
class Renaming(Step):
    """Puts a layer of another name in the place of `scores`."""

    name: ClassVar[str] = "renaming"
    paper: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    traits: ClassVar[Traits] = Traits(trains=False, keeps=(Kept.ZEROS,))

    def prepare(self, model: Any, context: Context) -> Prepared:
        return Prepared(model, model, notes=(LayerNote("scores", "renamed", ""),))

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        old = prepared.model.get_layer("scores")
        new = type(old).from_config({**old.get_config(), "name": "classes"})
        model = replay(prepared.model, lambda layer, prefix: new if layer is old else layer)
        new.set_weights(old.get_weights())
        return Outcome(model, notes=prepared.notes, replaced={"scores": ("classes",)})


def test_what_was_established_follows_a_layer_that_is_replaced(plain_model, trainer) -> None:
    first = chain(MagnitudePruning(sparsity=0.5), Renaming())
    outcome = compress(plain_model, chain(first, IterativePruning(sparsity=0.75)), trainer)
    assert outcome.replaced == {"scores": ("classes",)}
    assert [constraint.layers for constraint in outcome.constraints] == [("conv", "classes")] * 2
    assert kernel_zeros(outcome.model.get_layer("classes")) == 0.75
    # The new layer is chosen by the old one's name, too, and what it keeps is known by its own.
    both = compress(plain_model, chain(first, only(KMeansSharing(4, 4), layers="scores")), trainer)
    assert [note.layer for note in both.notes if note.action == "clustered"] == ["classes"]
    assert kernel_zeros(both.model.get_layer("classes")) == 0.5 == kernel_zeros(both.model.get_layer("conv"))


def test_the_two_convolutions_of_a_separable_one_are_chosen_by_its_name(awkward_model, trainer) -> None:
    outcome = compress(awkward_model, only(KMeansSharing(4, 4), layers="separable"), trainer)
    shared = {note.layer for note in outcome.notes if note.action == "clustered"}
    assert shared == {"separable_depthwise", "separable_pointwise"}
    assert outcome.replaced == {"separable": ("separable_depthwise", "separable_pointwise")}
