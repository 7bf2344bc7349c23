"""What cannot be quantized after training is refused by the layers."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.convert.targets import parse_target
from edgecompress.convert.tflite.export import export_float
from edgecompress.convert.tflite.post_training import NEED_CALIBRATION, quantize
from edgecompress.environment import load_tf_keras
from edgecompress.errors import ConversionError

keras = load_tf_keras()
SAMPLES = (np.linspace(-9, 9, 32 * 4 * 4 * 3, dtype=np.float32).reshape(32, 4, 4, 3),)


def exported(*layers: object) -> bytes:
    return export_float(keras.Sequential([keras.Input((4, 4, 3)), *layers]))


@pytest.mark.parametrize("precision", NEED_CALIBRATION)
def test_operators_that_have_no_such_form_are_named(precision: str) -> None:
    content = exported(keras.layers.GlobalMaxPooling2D(name="peak"))
    with pytest.raises(ConversionError, match=rf"compute in {precision}: .* no such form of 'peak' \(REDUCE_MAX\)"):
        quantize(content, parse_target(f"tflite:{precision}"), calibration=SAMPLES)


@pytest.mark.parametrize("precision", NEED_CALIBRATION)
def test_a_layer_that_overflows_is_named(precision: str) -> None:
    layers = keras.layers
    content = exported(
        layers.Rescaling(100.0), layers.Activation("exponential", name="boom"), layers.Conv2D(2, 3, name="behind")
    )
    with pytest.raises(ConversionError, match=f"'boom' computes numbers that are not finite .* in {precision}"):
        quantize(content, parse_target(f"tflite:{precision}"), calibration=SAMPLES)
