"""A small network with everything that is awkward, seeded data, and a trainer that really trains."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.data import Split
from edgecompress.environment import load_keras
from edgecompress.methods.protocol import Constraint, Context, Prepared
from edgecompress.methods.step import Stage, Step
from edgecompress.training.batches import steps_per_epoch, training_data
from edgecompress.training.fit import Training, fit
from edgecompress.training.stepper import Stepper
from edgecompress.values import Preprocessing

INPUTS = np.random.default_rng(0).normal(size=(64, 8, 8, 4)).astype(np.float32)
LABELS = np.arange(64) % 4


def train(prepared: Prepared, *, learning_rate: float = 1e-3) -> None:
    """Take sixteen steps."""
    stepper = Stepper(prepared)
    stepper.begin(0)
    for done in range(16):
        part = slice(16 * (done % 4), 16 * (done % 4 + 1))
        stepper.step((INPUTS[part],), LABELS[part], done=done, learning_rate=learning_rate)


class QuickTrainer:
    """Sixteen optimizer steps on noise: enough for every schedule to end."""

    def optimizer_steps(self, stage: Stage) -> int:
        return 16

    def train(self, index: int, stage: Stage, prepared: Prepared) -> None:
        train(prepared)

    def samples(self, count: int) -> tuple[np.ndarray, ...]:
        return (INPUTS[:count],)


@pytest.fixture(scope="session")
def trainer() -> QuickTrainer:
    return QuickTrainer()


@pytest.fixture
def context() -> Context:
    """What a step is told that comes first, and may treat all layers."""
    return Context(optimizer_steps=16, samples=QuickTrainer().samples)


@pytest.fixture
def inputs() -> np.ndarray:
    return INPUTS


@pytest.fixture
def awkward_model() -> Any:
    """Separable convolution, hard-swish of Multiply, upsampling, dropout, a nested model, a residual, batch norms."""
    keras = load_keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((8, 8, 4))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    x = layers.SeparableConv2D(16, 3, padding="same", name="separable")(x)
    x = layers.ReLU(name="separable_relu")(x)
    x = layers.Multiply(name="hard_swish")([x, layers.ReLU(6.0, name="gate")(x + 3.0)])
    x = layers.UpSampling2D(name="up")(x)
    x = layers.Dropout(0.1, name="drop")(x)
    inner = keras.Sequential([keras.Input((16, 16, 16)), layers.Conv2D(8, 1, name="stem"), layers.BatchNormalization()])
    x = inner(x)
    x = layers.Add(name="sum")([x, layers.Conv2D(8, 1, name="branch")(x)])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(4, activation="softmax", name="scores")(x), name="awkward")


@pytest.fixture
def plain_model() -> Any:
    """Convolution, ReLU layer, dense: the smallest network that every method treats."""
    keras = load_keras()
    keras.utils.set_random_seed(1)
    layers = keras.layers
    image = keras.Input((8, 8, 4))
    x = layers.Conv2D(8, 3, name="conv")(image)
    x = layers.ReLU(name="relu")(x)
    x = layers.Flatten(name="flat")(x)
    return keras.Model(image, layers.Dense(4, activation="softmax", name="scores")(x), name="plain")


@pytest.fixture
def untranslatable_model() -> Any:
    """A tiling, which Keras 2 has not; a layer that is called twice, an einsum, attention; a kernel with 3 axes."""
    keras = load_keras()
    keras.utils.set_random_seed(2)
    layers = keras.layers
    image = keras.Input((8, 8, 4))
    x = layers.Conv2D(4, 3, padding="same", activation="hard_silu", name="stem")(image)
    x = keras.ops.tile(x, (1, 1, 1, 2))
    twice = layers.Conv2D(8, 3, padding="same", name="twice")
    x = layers.DepthwiseConv2D(3, name="depthwise")(twice(twice(x)))
    x = layers.Reshape((36, 8), name="tokens")(layers.GroupNormalization(2, name="norm")(x))
    x = layers.EinsumDense("abc,cd->abd", (None, 8), name="einsum")(x)
    x = layers.Conv1D(8, 3, name="sequence")(layers.Attention(name="attention")([x, x]))
    x = layers.Dense(4, activation="softmax", name="scores")(layers.GlobalAveragePooling1D(name="pool")(x))
    return keras.Model(image, x, name="untranslatable")


class CutOff(Exception):
    """What ends a training."""


@pytest.fixture
def whole_and_resumed(tmp_path: Path) -> Callable[..., tuple[list[np.ndarray], list[np.ndarray]]]:
    """Train a step for 3 epochs of 5 steps, at one go, and cut off in an epoch and gone on with; return the weights.

    It may be told of more optimizer steps, of which these are the first.
    """
    images = np.random.default_rng(3).integers(0, 256, (84, 8, 8, 1), np.uint8).repeat(3, axis=3)
    data = training_data(
        Split(images, np.arange(84, dtype=np.int64) % 4), Preprocessing(8, 8, 3), names=tuple("abcd"), seed=0
    )
    training = Training("cut off", 3, 16, 1e-3, 0.0, 0)
    assert steps_per_epoch(len(data.labels), training.batch_size) == 5

    def model(zeros: bool) -> Any:
        keras = load_keras()
        keras.utils.set_random_seed(4)
        image = keras.Input((8, 8, 3))
        flat = keras.layers.Flatten(name="flat")(keras.layers.Conv2D(8, 3, name="conv")(image))
        made = keras.Model(image, keras.layers.Dense(4, activation="softmax", name="scores")(flat), name="small")
        for name in ("conv", "scores") if zeros else ():
            kernel = made.get_layer(name).kernel
            kernel.assign(np.where(np.abs(kernel) < 0.05, 0, kernel))
        return made

    def both(
        step: Step, *, cut_in_epoch: int, kept: tuple[Constraint, ...] = (), optimizer_steps: int = 15
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        context = Context(optimizer_steps=optimizer_steps, samples=lambda count: (data.samples[:count],), kept=kept)

        def stop(what: str, done: int, total: int) -> None:
            if f"epoch {cut_in_epoch}/" in what and done == 2:
                raise CutOff

        def trained(folder: Path) -> list[np.ndarray]:
            ready = step.prepare(model(bool(kept)), context)
            fit(ready, data, training, folder, on_epoch=lambda history: None)
            return step.finalize(ready, context).model.get_weights()

        with pytest.raises(CutOff):
            ready = step.prepare(model(bool(kept)), context)
            fit(ready, data, training, tmp_path / "cut", on_epoch=lambda history: None, on_progress=stop)
        return trained(tmp_path / "whole"), trained(tmp_path / "cut")

    return both
