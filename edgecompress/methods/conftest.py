"""A small network with everything that is awkward, seeded data, and a trainer that really trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_keras
from edgecompress.methods.protocol import Context, Prepared
from edgecompress.methods.step import Stage
from edgecompress.training.stepper import Stepper

INPUTS = np.random.default_rng(0).normal(size=(64, 8, 8, 4)).astype(np.float32)
LABELS = np.arange(64) % 4


def train(prepared: Prepared, *, learning_rate: float = 1e-3) -> None:
    """Take sixteen steps."""
    stepper = Stepper(prepared)
    stepper.begin(0)
    for done in range(16):
        part = slice(16 * (done % 4), 16 * (done % 4 + 1))
        stepper.step(INPUTS[part], LABELS[part], done=done, learning_rate=learning_rate)


class QuickTrainer:
    """Sixteen optimizer steps on noise: enough for every schedule to end."""

    def optimizer_steps(self, stage: Stage) -> int:
        return 16

    def train(self, index: int, stage: Stage, prepared: Prepared) -> None:
        train(prepared)

    def images(self, count: int) -> np.ndarray:
        return INPUTS[:count]


@pytest.fixture(scope="session")
def trainer() -> QuickTrainer:
    return QuickTrainer()


@pytest.fixture
def context() -> Context:
    """What a step is told that comes first, and may treat all layers."""
    return Context(optimizer_steps=16, images=QuickTrainer().images)


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
