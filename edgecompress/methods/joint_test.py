"""Methods that are trained together treat each what is theirs, and a training minds what all of them want."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.errors import MethodError
from edgecompress.keras_bridge.kernels import distinct_values, kernel_zeros, kernels
from edgecompress.methods import METHODS
from edgecompress.methods.composition import chain, only, repeat, together, trained
from edgecompress.methods.compress import check, compress
from edgecompress.methods.eligible import pick
from edgecompress.methods.protocol import Context, Kept, Outcome, Prepared, Traits
from edgecompress.methods.pruning import IterativePruning, MagnitudePruning
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.methods.sharing import KMeansSharing
from edgecompress.methods.step import Step

PRUNE, SHARE = IterativePruning(sparsity=0.5), KMeansSharing(4, 4)


@dataclass(frozen=True)
class Halved(Step):
    """Minimizes `weight` times the sum of outputs, and halves what is learnt in the layers that it is given."""

    name: ClassVar[str] = "halved"
    paper: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    traits: ClassVar[Traits] = Traits(joins=True)

    weight: float = 1.0
    scores: bool = False

    def prepare(self, model: Any, context: Context) -> Prepared:
        layers, notes = pick(model, context.chosen, lambda layer: "", action="halved")
        return Prepared(
            model,
            model,
            notes=notes,
            objective=lambda labels, outputs: self.weight * load_tensorflow().reduce_sum(outputs),
            scored=model if self.scores else None,
            rates=tuple((kernel, 0.5) for layer in layers for kernel in kernels(layer)),
        )

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        return Outcome(prepared.model, notes=prepared.notes)


class Recording:
    """A trainer that keeps what it was given, after training it."""

    def __init__(self, trainer: Any) -> None:
        self.prepared: list[Prepared] = []
        self.samples, self.optimizer_steps, self._train = trainer.samples, trainer.optimizer_steps, trainer.train

    def train(self, index: int, stage: Any, prepared: Prepared) -> None:
        self.prepared.append(prepared)
        self._train(index, stage, prepared)


@pytest.mark.parametrize("turned", [False, True])
def test_each_treats_its_layers_in_one_training(turned, awkward_model, trainer) -> None:
    parts = [only(PRUNE, layers="stem|separable"), only(SHARE, layers="branch|scores")]
    recording = Recording(trainer)
    outcome = compress(awkward_model, together(*reversed(parts) if turned else parts), recording)
    assert len(recording.prepared) == 1
    actions = {note.layer: note.action for note in outcome.notes}
    pruned, shared = (
        {layer for layer, action in actions.items() if action == each} for each in ("pruned", "clustered")
    )
    assert pruned == {"stem", "separable_pointwise"} and shared == {"branch", "scores"}
    assert {each.kind: set(each.layers) for each in outcome.constraints} == {
        Kept.ZEROS: pruned,
        Kept.SHARED_VALUES: shared,
    }
    for name in pruned:
        assert kernel_zeros(outcome.model.get_layer(name)) == 0.5
    for name in shared:
        assert distinct_values(outcome.model.get_layer(name)) <= 4
    assert all(type(layer).__module__.startswith("keras.") for layer in outcome.model.layers)
    for layer in awkward_model.layers:
        if layer.name in {"stem", "branch"}:
            found = outcome.model.get_layer(layer.name)
            assert not np.isin(found.kernel.numpy()[found.kernel.numpy() != 0], layer.kernel.numpy()).all()  # trained


def test_the_second_has_what_the_first_leaves_it(plain_model, trainer) -> None:
    outcome = compress(plain_model, together(only(PRUNE, layers="conv"), SHARE), trainer)
    assert [(note.layer, note.action) for note in outcome.notes] == [("conv", "pruned"), ("scores", "clustered")]
    for first, second in ((PRUNE, SHARE), (SHARE, PRUNE)):
        with pytest.raises(
            MethodError, match=f"{second.name} is left no layer: conv, scores are {first.name}'s"
        ) as told:
            check(plain_model, together(first, second), trainer)
        assert 'layers="conv_.*"' in told.value.hint


def test_dropouts_follow_beside_another_method(trainer) -> None:
    keras = load_keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((8, 8, 4))
    x = layers.Dropout(0.5, name="drop")(layers.Flatten()(layers.Conv2D(8, 3, name="conv")(image)))
    x = layers.Dense(8, activation="relu", name="hidden")(x)
    model = keras.Model(image, layers.Dense(4, activation="softmax", name="scores")(x))
    outcome = compress(model, together(only(SHARE, layers="conv|scores"), only(PRUNE, layers="hidden")), trainer)
    assert outcome.model.get_layer("drop").rate == round(0.5 * np.sqrt(0.5), 6)  # half the connections
    assert type(outcome.model.get_layer("drop")) is layers.Dropout


def test_what_was_there_before_is_kept_in_all_layers(awkward_model, trainer) -> None:
    before = MagnitudePruning(sparsity=0.75)
    both = together(only(SHARE, layers="stem"), only(KMeansSharing(3, 3), layers="branch"))
    outcome = compress(awkward_model, chain(before, both), trainer)
    assert all(kernel_zeros(outcome.model.get_layer(name)) == 0.75 for name in ("stem", "branch", "scores"))
    with pytest.raises(MethodError, match=r"halved comes after a method that made zeros in 'scores'"):
        compress(
            awkward_model, chain(before, together(only(SHARE, layers="stem"), only(Halved(), layers="scores"))), trainer
        )


def test_objectives_are_added_and_rates_kept(plain_model, trainer) -> None:
    recording = Recording(trainer)
    method = together(only(SHARE, layers="conv"), Halved(0.25, scores=True))
    compress(plain_model, method, recording)
    compress(plain_model, together(only(Halved(2.0), layers="conv"), Halved(0.5)), recording)
    one, two = recording.prepared
    outputs = np.ones((3, 4), np.float32)
    assert one.objective is not None and float(one.objective(None, outputs)) == 3.0
    assert two.objective is not None and float(two.objective(None, outputs)) == 30.0
    assert one.scored is not None and two.scored is None
    assert [rate for _, rate in one.rates] == [0.5] and [rate for _, rate in two.rates] == [0.5, 0.5]
    alone = Recording(trainer)
    compress(plain_model, together(only(SHARE, layers="conv"), PRUNE), alone)
    assert alone.prepared[0].objective is None  # the usual one
    with pytest.raises(MethodError, match="halved and halved each have another model scored"):
        compress(plain_model, together(only(Halved(scores=True), layers="conv"), Halved(scores=True)), trainer)


SMALL: dict[type[Step], dict[str, Any]] = {KMeansSharing: {"clusters": 4, "conv_clusters": 4}}
JOINING = [kind(**SMALL.get(kind, {})) for kind in METHODS if kind.traits.joins]


@pytest.mark.parametrize("method", JOINING, ids=lambda method: method.name)
def test_every_method_that_joins_does_in_company_what_it_does_alone(method, awkward_model, trainer) -> None:
    """The layers that it treats, and what it makes of them, are those of the method on these layers alone."""
    alone = compress(awkward_model, only(method, layers="scores|branch"), trainer)
    both = compress(awkward_model, together(only(method, layers="scores|branch"), Halved()), trainer)
    mine = {note.layer: note.action for note in alone.notes if note.action not in {"skipped", "halved"}}
    assert mine and mine.items() <= {note.layer: note.action for note in both.notes}.items()
    assert set(alone.constraints) <= set(both.constraints)


@pytest.mark.parametrize("kind", [kind for kind in METHODS if not kind.traits.joins])
def test_every_other_method_refuses_company(kind) -> None:
    why = "has a network of its own trained" if kind.traits.trains else "trains nothing"
    with pytest.raises(MethodError, match=f"{kind.name} cannot be trained together with other methods: it {why}"):
        together(SHARE, kind())


def test_together_is_one_stage() -> None:
    (stage,) = together(trained(only(PRUNE, layers="conv"), epochs=3), SHARE).plan()
    assert [step.name for step in stage.steps] == ["iterative_pruning", "kmeans_sharing"]
    assert (stage.epochs, stage.name) == (3, "iterative_pruning and kmeans_sharing")
    assert together(PRUNE).plan() == PRUNE.plan()
    assert len(together(together(PRUNE, SHARE), Halved()).plan()[0].steps) == 3
    (narrowed,) = only(together(PRUNE, only(SHARE, layers="a")), layers="b").plan()
    assert (narrowed.layers, narrowed.beside[0].layers) == (("b",), ("a", "b"))
    assert trained(together(PRUNE, SHARE), epochs=5).plan()[0].epochs == 5
    first, last = repeat(together(SHARE, PRUNE), rounds=2).plan()
    assert last.beside[0].step == PRUNE and first.beside[0].step.sparsity == pytest.approx(1 - np.sqrt(0.5))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: together(chain(PRUNE, SHARE), Halved()), "not iterative_pruning, then kmeans_sharing"),
        (lambda: together(chain(), Halved()), "not nothing"),
        (lambda: together(trained(PRUNE, epochs=2), trained(SHARE, epochs=3)), "got epochs 2 and 3"),
        (lambda: together(trained(PRUNE, learning_rate=0.1), trained(SHARE, learning_rate=0.2)), "rate 0.1 and 0.2"),
        (lambda: chain(QuantizationAwareTraining(), together(PRUNE, SHARE)), "iterative_pruning comes after quant"),
        (lambda: chain(QuantizationAwareTraining(), together(SHARE, PRUNE)), "kmeans_sharing comes after quant"),
    ],
)
def test_what_cannot_be_one_training_is_refused(make, message) -> None:
    with pytest.raises(MethodError, match=message):
        make()
