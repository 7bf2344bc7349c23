"""Expressions of methods are values: what each of their stages is."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecompress.errors import MethodError
from edgecompress.methods import METHODS
from edgecompress.methods.binary import BNN
from edgecompress.methods.composition import chain, only, repeat, trained
from edgecompress.methods.pruning import IterativePruning, MagnitudePruning
from edgecompress.methods.pruning.rounds import due
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.methods.sharing import KMeansSharing, ProductQuantization

PRUNE, SHARE, WORDS = MagnitudePruning(sparsity=0.75), KMeansSharing(4, 4), ProductQuantization()


def steps(method) -> list:
    return [stage.step for stage in method.plan()]


def test_a_chain_is_the_stages_of_its_parts() -> None:
    assert steps(chain(PRUNE, chain(SHARE, WORDS))) == [PRUNE, SHARE, WORDS]
    assert chain().plan() == ()


def test_only_asks_for_every_pattern() -> None:
    (stage,) = only(only(PRUNE, layers="conv_.*"), layers=".*_1").plan()
    assert [name for name in ("conv_1", "conv_2", "dense_1", "my_conv_1") if stage.chooses(name)] == ["conv_1"]


def test_the_inner_training_wins_and_a_one_shot_step_has_none() -> None:
    method = trained(chain(trained(PRUNE, epochs=3), SHARE, WORDS), epochs=5, learning_rate=1e-4)
    assert [(stage.epochs, stage.learning_rate) for stage in method.plan()] == [(3, 1e-4), (5, 1e-4), (None, None)]


@pytest.mark.parametrize(
    ("method", "figures", "message"),
    [
        (WORDS, {"epochs": 2}, "product_quantization trains nothing"),
        (PRUNE, {"epochs": 0}, "epochs 0"),
        (PRUNE, {"learning_rate": 0.0}, "learning_rate 0.0"),
        (PRUNE, {"learning_rate": float("nan")}, "learning_rate nan"),
    ],
)
def test_a_training_that_cannot_be_is_refused(method, figures, message) -> None:
    with pytest.raises(MethodError, match=message):
        trained(method, **figures)


def test_each_round_has_what_is_due_of_the_budget() -> None:
    method = repeat(trained(only(PRUNE, layers="conv"), epochs=2), rounds=2)
    first, second = method.plan()
    assert (first.step.initial_sparsity, first.step.sparsity) == (0.0, 0.5)
    assert (second.step.initial_sparsity, second.step.sparsity) == (0.5, 0.75)
    assert all(stage.layers == ("conv",) and stage.epochs == 2 for stage in method.plan())
    by_quality = repeat(IterativePruning(quality=1.5, qualities={"conv": 0.9}), rounds=3)
    assert [(step.quality, step.qualities["conv"]) for step in steps(by_quality)] == [
        (pytest.approx(figure * number / 3), pytest.approx(other * number / 3))
        for number, (figure, other) in enumerate([(1.5, 0.9)] * 3, start=1)
    ]
    assert steps(repeat(chain(SHARE, SHARE), rounds=2)) == [SHARE] * 4
    assert steps(repeat(MagnitudePruning(n_of_m="2:4"), rounds=2)) == [MagnitudePruning(n_of_m="2:4")] * 2


@pytest.mark.parametrize("method", METHODS)
def test_one_round_is_the_method_itself(method) -> None:
    assert steps(repeat(method(), rounds=1)) == [method()]


@given(st.floats(0, 0.999), st.integers(1, 9))
def test_each_round_removes_the_same_share_of_what_is_left(sparsity, rounds) -> None:
    left = [1 - due(sparsity, done, rounds) for done in range(rounds + 1)]
    assert left[0] == 1 and left[-1] == pytest.approx(1 - sparsity)
    shares = [after / before for before, after in itertools.pairwise(left)]
    assert shares == pytest.approx([shares[0]] * rounds)


@pytest.mark.parametrize("rounds", [0, -1])
def test_no_round_is_refused(rounds) -> None:
    with pytest.raises(MethodError, match=f"rounds {rounds}"):
        repeat(PRUNE, rounds=rounds)


@pytest.mark.parametrize("method", [QuantizationAwareTraining(), BNN()])
def test_what_nothing_may_follow_cannot_be_followed_by_itself_or_can(method) -> None:
    if isinstance(method, BNN):  # latent weights are trained on
        assert steps(repeat(method, rounds=2)) == [method] * 2
    else:
        with pytest.raises(MethodError, match="comes after quantization-aware training"):
            repeat(method, rounds=2)
