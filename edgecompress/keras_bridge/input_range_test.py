"""The range of pixels that a model's first layer tells, and that no other does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgecompress.environment import load_tf_keras
from edgecompress.keras_bridge.input_range import own_input_range
from edgecompress.tfmot.native import native


def model(*made: Any, inputs: int = 1) -> Any:
    keras = load_tf_keras()
    images = [keras.Input((4, 4, 3)) for _ in range(inputs)]
    x = images[0]
    for layer in made:
        x = layer(x)
    return keras.Model(images if inputs > 1 else images[0], x)


@pytest.mark.parametrize(
    ("scale", "offset", "expected"),
    [
        (1 / 127.5, -1.0, (0.0, 255.0)),
        (1 / 255, 0.0, (0.0, 255.0)),
        (2.0, -1.0, (0.0, 1.0)),
        (0.5, 0.5, (-1.0, 1.0)),
        (1.0, 0.0, None),  # 0..1 and -1..1 both stay as they are
        (100.0, 0.0, None),
        (1e-6, 0.0, None),
    ],
)
def test_a_rescaling_tells_its_range(scale: float, offset: float, expected: tuple[float, float] | None) -> None:
    layers = load_tf_keras().layers
    assert own_input_range(native(model(layers.Rescaling(scale, offset), layers.Conv2D(2, 3)))) == expected


def test_a_normalization_tells_its_range() -> None:
    layers = load_tf_keras().layers
    mean, variance = np.array([124.0, 116.0, 104.0]), np.array([58.0, 57.0, 57.5]) ** 2
    assert own_input_range(native(model(layers.Normalization(mean=mean, variance=variance)))) == (0.0, 255.0)
    assert own_input_range(native(model(layers.Normalization(mean=mean / 255, variance=variance / 255**2)))) == (
        0.0,
        1.0,
    )


def test_other_models_tell_nothing() -> None:
    layers = load_tf_keras().layers
    rescaling = layers.Rescaling(1 / 255)
    assert own_input_range(native(model(layers.Conv2D(2, 3)))) is None
    assert own_input_range(native(model(layers.Conv2D(3, 1), rescaling))) is None
    assert own_input_range(native(model(rescaling, inputs=2))) is None
