"""What TensorFlow's converter refuses is told by the layer and the operation, not by places in code."""

from __future__ import annotations

import pytest

from edgecompress.convert.tflite.export import export_float
from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.errors import ConversionError

keras, tensorflow = load_tf_keras(), load_tensorflow()
LAYERS = keras.layers
CASES = {
    "det": (tensorflow.linalg.det, (3, 3), "float32", "tf.MatrixDeterminant"),
    "hashed": (LAYERS.Hashing(7, name="hashed"), (4,), "int32", "tf.AsString, tf.StringToHashBucketFast"),
    "cropped": (LAYERS.CenterCrop(16, 16, name="cropped"), (12, 12, 3), "float32", "requires size"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_layer_and_the_operation_are_named(name: str) -> None:
    layer, shape, dtype, reason = CASES[name]
    inputs = keras.Input(shape, dtype=dtype)
    model = keras.Model(inputs, layer(inputs), name="net")
    with pytest.raises(ConversionError) as caught:
        export_float(model)
    assert f"refused 'net' at '{model.layers[-1].name}': " in caught.value.message
    assert reason in caught.value.message and caught.value.message.endswith(".")
    assert not any(strange in caught.value.message for strange in ("site-packages", "error:", "loc(", "<unknown>"))
