"""Sparsity, patterns and schedules of magnitude pruning, on a real training."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.errors import MethodError
from edgecompress.methods.compress import compress
from edgecompress.methods.pruning import MagnitudePruning, XNNPACKLatencyPruning
from edgecompress.numerics.sparsity import SparsitySchedule
from edgecompress.tfmot.wrapping.pruning import schedule
from edgecompress.training.stepper import Stepper


@pytest.mark.parametrize("kind", ["polynomial", "constant"])
def test_the_final_sparsity_is_the_one_asked_for(kind, plain_model, trainer) -> None:
    outcome = compress(plain_model, MagnitudePruning(sparsity=0.75, schedule=kind), trainer)
    for name in ("conv", "scores"):
        kernel = np.asarray(outcome.model.get_layer(name).kernel)
        assert np.count_nonzero(kernel) == kernel.size // 4


def test_n_of_m_keeps_n_of_every_m_input_channels(plain_model, trainer) -> None:
    outcome = compress(plain_model, MagnitudePruning(n_of_m="2:4"), trainer)
    kernel = np.asarray(outcome.model.get_layer("scores").kernel)  # inputs x outputs; 6 * 6 * 8 inputs, a multiple of 4
    groups = kernel.T.reshape(kernel.shape[1], -1, 4)
    assert (np.count_nonzero(groups, axis=-1) <= 2).all()
    assert np.count_nonzero(kernel) == kernel.size // 2


def test_blocks_are_zero_as_a_whole_and_4d_kernels_are_left_with_a_reason(plain_model, trainer) -> None:
    outcome = compress(plain_model, MagnitudePruning(sparsity=0.5, block=(4, 1)), trainer)
    kernel = np.asarray(outcome.model.get_layer("scores").kernel)
    blocks = np.count_nonzero(kernel.reshape(-1, 4, kernel.shape[1]), axis=1)
    assert set(np.unique(blocks)) == {0, 4}
    notes = {note.layer: note for note in outcome.notes}
    assert notes["conv"].action == "skipped" and "4 axes" in notes["conv"].reason


@pytest.mark.parametrize(
    "figures",
    [
        {"sparsity": 1.0},
        {"sparsity": -0.1},
        {"sparsity": 0.5, "initial_sparsity": 0.6},
        {"n_of_m": "4:2"},
        {"n_of_m": "two of four"},
        {"n_of_m": "2:4", "block": (4, 1)},
        {"block": (0, 4)},
    ],
)
def test_figures_out_of_range_are_refused(figures) -> None:
    with pytest.raises(MethodError, match="magnitude_pruning got"):
        MagnitudePruning(**figures)


def test_the_polynomial_schedule_ends_on_an_update() -> None:
    for steps in (1, 7, 20, 1000, 1877):
        made = schedule(SparsitySchedule.over(steps, kind="polynomial", initial=0.0, final=0.8))
        assert made.end_step < max(2, steps)
        assert made.end_step % made.frequency == 0
        assert float(made(made.end_step)[1]) == pytest.approx(0.8, abs=1e-6)  # float32 of the final sparsity


def test_latency_pruning_refuses_a_network_that_xnnpack_runs_dense(plain_model, trainer) -> None:
    with pytest.raises(MethodError, match=r"'plain' would not run sparse.*stride 2x2") as caught:
        compress(plain_model, XNNPACKLatencyPruning(), trainer)
    assert "GlobalAveragePooling2D(keepdims=True)" in caught.value.hint
    with pytest.raises(MethodError, match="2/3 zeros"):
        XNNPACKLatencyPruning(sparsity=0.5)


def test_latency_pruning_takes_the_1x1_convolutions_of_one_that_it_runs_sparse() -> None:
    from edgecompress.environment import load_keras
    from edgecompress.methods.protocol import Prepared
    from edgecompress.methods.step import Stage

    keras = load_keras()
    layers = keras.layers
    image = keras.Input((16, 16, 3))
    x = layers.ZeroPadding2D(1)(image)
    x = layers.Conv2D(8, 3, strides=2, padding="valid", name="stem")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Conv2D(16, 1, name="pointwise")(x)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    model = keras.Model(image, layers.Dense(2, activation="softmax", name="scores")(layers.Flatten()(x)))
    data = np.random.default_rng(0).normal(size=(32, 16, 16, 3)).astype(np.float32)

    class Trainer:
        def optimizer_steps(self, stage: Stage) -> int:
            return 16

        def samples(self, count: int) -> tuple[np.ndarray, ...]:
            return (data[:count],)

        def train(self, index: int, stage: Stage, prepared: Prepared) -> None:
            stepper = Stepper(prepared)
            stepper.begin(0)
            for done in range(16):
                part = slice(8 * (done % 4), 8 * (done % 4 + 1))
                stepper.step((data[part],), np.arange(8) % 2, done=done, learning_rate=1e-3)

    outcome = compress(model, XNNPACKLatencyPruning(sparsity=0.75), Trainer())
    assert outcome.constraints[0].layers == ("pointwise",)
    kernel = np.asarray(outcome.model.get_layer("pointwise").kernel)
    assert np.count_nonzero(kernel) == kernel.size // 4
