"""Magnitude pruning natively: step by step what TF-MOT does, exact, resumed bit for bit, and of any network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgecompress.environment import keras_of, load_keras, load_tensorflow
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.methods.composition import chain
from edgecompress.methods.compress import compress
from edgecompress.methods.protocol import Constraint, Kept, StepCallback
from edgecompress.methods.pruning import MagnitudePruning
from edgecompress.methods.pruning.connections import kept, survivors
from edgecompress.methods.pruning.scheduled import ScheduledKernel, ScheduledMasks
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.methods.sharing import WeightClustering
from edgecompress.numerics.sparsity import SparsitySchedule
from edgecompress.training.stepper import Stepper

STEPS = 64  # masks are chosen anew in every second one


class MaskedSteps:
    """Train, and note where each kernel is zero in every step."""

    def __init__(self, inputs: np.ndarray) -> None:
        self._inputs = inputs
        self.masks: list[dict[str, np.ndarray]] = []

    def optimizer_steps(self, stage: Any) -> int:
        return STEPS

    def samples(self, count: int) -> tuple[np.ndarray, ...]:
        return (self._inputs[:count],)

    def train(self, index: int, stage: Any, prepared: Any) -> None:
        watcher, native = StepCallback(), keras_of(prepared.model) is load_keras()
        if native:
            watcher.before = lambda done: self._note({n: layer.kernel for n, layer in self._layers(prepared, native)})
        else:  # its masks are chosen in the middle of the step
            watcher.after = lambda done: self._note(
                {n: w.pruning_vars[0][1] for n, w in self._layers(prepared, native)}
            )
        stepper = Stepper(replace(prepared, callbacks=(*prepared.callbacks, watcher)))
        stepper.begin(0)
        for done in range(STEPS):
            part = slice(16 * (done % 4), 16 * (done % 4 + 1))
            stepper.step((self._inputs[part],), np.arange(16) % 4, done=done, learning_rate=1e-3)

    def _layers(self, prepared: Any, native: bool) -> list[tuple[str, Any]]:
        return [
            (name, prepared.model.get_layer(name if native else f"prune_low_magnitude_{name}"))
            for name in ("conv", "scores")
        ]

    def _note(self, arrays: dict[str, Any]) -> None:
        self.masks.append({name: np.asarray(array) == 0 for name, array in arrays.items()})


@pytest.mark.parametrize(
    "figures",
    [
        {"sparsity": 0.7, "initial_sparsity": 0.3},
        {"sparsity": 0.8, "schedule": "constant"},
        {"n_of_m": "2:4"},
    ],
)
def test_every_step_has_as_many_zeros_as_by_tfmot(figures, plain_model, inputs) -> None:
    native, theirs = MaskedSteps(inputs), MaskedSteps(inputs)
    compress(plain_model, MagnitudePruning(**figures, engine="native"), native)
    compress(plain_model, MagnitudePruning(**figures, engine="tf-mot"), theirs)
    assert len(native.masks) == len(theirs.masks) == STEPS
    for mine, their in zip(native.masks, theirs.masks, strict=True):
        for name in ("conv", "scores"):
            assert mine[name].sum() == their[name].sum()
    # Trained by different kernels, in float32, two weights may change places at a threshold.
    for name in ("conv", "scores"):
        first = next(index for index, each in enumerate(native.masks) if each[name].any())
        np.testing.assert_array_equal(native.masks[first][name], theirs.masks[first][name])
        assert (native.masks[-1][name] == theirs.masks[-1][name]).mean() > 0.95


@pytest.mark.parametrize(("engine", "schedule"), [("auto", "constant"), ("native", "polynomial")])
def test_what_tfmot_cannot_take_is_pruned_natively_and_exactly(engine, schedule, untranslatable_model, trainer) -> None:
    method = MagnitudePruning(sparsity=0.7, schedule=schedule, engine=engine)
    outcome = compress(untranslatable_model, method, trainer)
    notes = {note.layer: note for note in outcome.notes}
    for name in {"stem", "twice", "einsum", "sequence", "scores"} | ({"depthwise"} if engine == "native" else set()):
        kernel = np.asarray(kernels(outcome.model.get_layer(name))[0])
        assert np.count_nonzero(kernel) == round(0.3 * kernel.size)
        assert not np.signbit(kernel[kernel == 0]).any()
        assert notes[name].action == "pruned" and name in outcome.constraints[0].layers
        why = notes[name].reason
        assert (why.startswith("natively: ") and "(Tile)" in why) if engine == "auto" else why == ""
    if engine == "auto":
        assert notes["depthwise"].action == "skipped" and 'engine="native" treats it' in notes["depthwise"].reason
    with pytest.raises(ValueError, match="No such layer"):
        outcome.model.get_layer("prune_low_magnitude_stem")


def test_blocks_and_n_of_m_are_exact_natively(plain_model, trainer) -> None:
    outcome = compress(plain_model, MagnitudePruning(sparsity=0.5, block=(4, 1), engine="native"), trainer)
    kernel = np.asarray(outcome.model.get_layer("scores").kernel)
    blocks = np.count_nonzero(kernel.reshape(-1, 4, kernel.shape[1]), axis=1)
    assert np.count_nonzero(blocks) == blocks.size // 2 and set(np.unique(blocks)) == {0, 4}
    assert outcome.notes[0].reason == "blocks are parts of matrices; this kernel has 4 axes"
    outcome = compress(plain_model, MagnitudePruning(n_of_m="1:4", engine="native"), trainer)
    for name in ("conv", "scores"):
        groups = np.asarray(outcome.model.get_layer(name).kernel).swapaxes(-1, -2)
        assert (np.count_nonzero(groups.reshape(*groups.shape[:-1], -1, 4), axis=-1) == 1).all()


def test_n_of_m_names_the_kernels_without_an_axis_of_input_channels(untranslatable_model, trainer) -> None:
    outcome = compress(untranslatable_model, MagnitudePruning(n_of_m="2:4", engine="native"), trainer)
    left = {note.layer: note.reason for note in outcome.notes if note.action == "skipped"}
    assert set(left) == {"depthwise", "einsum"} and "EinsumDense" in left["einsum"]


def test_zeros_that_were_there_stay(plain_model, trainer) -> None:
    """TF-MOT lets them grow again while its schedule has fewer, as the second one's has here at first."""
    first = MagnitudePruning(sparsity=0.5, engine="native")
    pruned = compress(plain_model, first, trainer)
    both = compress(plain_model, chain(first, MagnitudePruning(sparsity=0.75, engine="native")), trainer)
    for name in ("conv", "scores"):
        old, new = (np.asarray(each.model.get_layer(name).kernel) for each in (pruned, both))
        assert (new[old == 0] == 0).all()
        assert np.count_nonzero(new) == new.size // 4


def test_a_masked_weight_grows_again_if_one_step_takes_it_past_another_but_no_zero_that_is_to_stay() -> None:
    """By hand: two of five weights, chosen anew before the steps 2, 4, ...; each step adds something."""
    kernel = load_tensorflow().Variable([1.0, -2.0, 3.0, 4.0, 0.0])
    masks = ScheduledMasks(
        [ScheduledKernel(kernel, kernel.numpy() != 0)],
        lambda weights, sparsity: survivors(weights, 5 - kept(weights, sparsity)),
        SparsitySchedule(None, 0.6, interval=2, last=6),
    )
    masks.begin(0)
    found = []
    for done, gain in enumerate(([0, 0, 0, 0, 9], [5, 0, 0, 0, 9], [6, 0, 0, 0, 9], [0, 0, 0, 0, 9])):
        masks.before(done)
        kernel.assign_add(np.array(gain, np.float32))
        masks.after(done + 1)
        found.append(kernel.numpy().tolist())
    # The first two are masked before step 2. What 5 makes of one is zeroed after it; 6 is the largest before step 4.
    assert found == [[0, 0, 3, 4, 0], [0, 0, 3, 4, 0], [6, 0, 0, 4, 0], [6, 0, 0, 4, 0]]


# Of 15 steps, 5 an epoch. Where they are the first of 90, masks are chosen for 3, 6 (an epoch ends before it), 9 ...
@pytest.mark.parametrize(
    ("figures", "kept_zeros", "cut_in_epoch", "steps"),
    [
        ({}, False, 1, 15),
        ({}, True, 3, 90),
        ({"schedule": "constant"}, False, 2, 90),
        ({"n_of_m": "1:2"}, True, 2, 15),
        ({"block": (4, 1)}, False, 3, 90),
    ],
)
def test_a_training_that_was_cut_off_goes_on_as_if_it_had_not_been(
    whole_and_resumed, figures, kept_zeros, cut_in_epoch, steps
) -> None:
    before = (Constraint(Kept.ZEROS, ("conv", "scores")),) if kept_zeros else ()
    method = MagnitudePruning(engine="native", **figures)
    whole, resumed = whole_and_resumed(method, cut_in_epoch=cut_in_epoch, kept=before, optimizer_steps=steps)
    assert any((weight == 0).any() for weight in whole if weight.ndim > 1)
    for one, other in zip(whole, resumed, strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_chain_of_native_engines_keeps_zeros_and_values(untranslatable_model, trainer) -> None:
    method = chain(
        MagnitudePruning(sparsity=0.5), WeightClustering(clusters=8), QuantizationAwareTraining(engine="native")
    )
    stages = []
    compress(untranslatable_model, method, trainer, on_stage=lambda index, outcome: stages.append(outcome))
    _, shared, both = stages
    assert [constraint.kind for constraint in both.constraints] == ["zeros", "shared values"]
    for name in ("stem", "twice", "einsum", "sequence", "scores"):
        first, second, third = (np.asarray(kernels(each.model.get_layer(name))[0]) for each in stages)
        assert (second[first == 0] == 0).all() and (third[first == 0] == 0).all()
        assert np.count_nonzero(first) == first.size // 2
        assert len(np.unique(third)) <= len(np.unique(second)) <= 8
    assert not np.array_equal(both.model.get_layer("stem").kernel, shared.model.get_layer("stem").kernel)
    assert both.quantized is not None
