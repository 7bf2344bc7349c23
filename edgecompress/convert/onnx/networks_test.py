"""Whole int8 networks, trained, over 1,000 images: LiteRT's results and ONNX Runtime's, equal to the bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.environment import load_tensorflow, load_tf_keras, load_tfmot
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.testing.onnx_sessions import start_session
from edgecompress.testing.tflite_files import pack

pytestmark = pytest.mark.slow

SIZE = 32
IMAGES = 1000


@cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """1,797 handwritten digits as 32 x 32 RGB images from -1 to 1."""
    from PIL import Image
    from sklearn.datasets import load_digits

    data = load_digits()
    resized = [np.asarray(Image.fromarray(image.astype(np.float32)).resize((SIZE, SIZE))) for image in data.images]
    return np.repeat(np.stack(resized)[..., None] / 8 - 1, 3, axis=-1).astype(np.float32), data.target


def mobilenet(keras: Any) -> Any:
    return keras.applications.MobileNet((SIZE, SIZE, 3), alpha=0.25, weights=None, classes=10, dropout=0.1)


def squeezenet(keras: Any) -> Any:
    """Fire modules, max pools, no batch norm, and a convolution where others have a dense layer."""
    layers = keras.layers

    def fire(x: Any, squeezed: int, expanded: int) -> Any:
        x = layers.Conv2D(squeezed, 1, activation="relu")(x)
        small = layers.Conv2D(expanded, 1, activation="relu")(x)
        return layers.Concatenate()([small, layers.Conv2D(expanded, 3, padding="same", activation="relu")(x)])

    image = layers.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(image)
    x = layers.MaxPool2D(3, 2)(x)
    x = layers.MaxPool2D(3, 2, padding="same")(fire(x, 8, 16))
    x = layers.Dropout(0.2)(fire(x, 8, 32))
    x = layers.Conv2D(10, 1, activation="relu", name="conv10")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, layers.Activation("softmax", name="softmax")(x))


def residual(keras: Any) -> Any:
    """Three residual blocks, the last two of which change the shape."""
    layers = keras.layers

    def convolve(x: Any, filters: int, size: int, strides: int = 1) -> Any:
        return layers.BatchNormalization()(layers.Conv2D(filters, size, strides=strides, padding="same")(x))

    image = layers.Input((SIZE, SIZE, 3))
    x = layers.ReLU()(convolve(image, 8, 3, 2))
    for filters, strides in ((8, 1), (16, 2), (32, 2)):
        branch = convolve(layers.ReLU()(convolve(x, filters, 3, strides)), filters, 3)
        shortcut = x if strides == 1 else convolve(layers.MaxPool2D(strides)(x), filters, 1)
        x = layers.ReLU()(layers.Add()([shortcut, branch]))
    x = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Softmax()(x))


NETWORKS = {"mobilenet": mobilenet, "squeezenet": squeezenet, "residual": residual}


@cache
def trained(name: str) -> Any:
    keras = load_tf_keras()
    keras.utils.set_random_seed(1)
    model = NETWORKS[name](keras)
    for layer in model.layers:
        if hasattr(layer, "momentum"):
            layer.momentum = 0.8  # so that batch norm knows its statistics after so few steps
    images, labels = digits()
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(images, labels, batch_size=64, epochs=4, verbose=0)
    assert history.history["accuracy"][-1] > 0.5
    return model


def converter(model: Any) -> Any:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    tf = load_tensorflow()
    function = tf.function(lambda image: model(image, training=False), autograph=False)
    spec = tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32, name="input")
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(spec), lower_control_flow=False)
    return tf.lite.TFLiteConverter.from_concrete_functions([frozen])


def calibration() -> Iterator[list[np.ndarray]]:
    return ([image[None]] for image in digits()[0][-100:])


def by_the_converter(model: Any) -> bytes:
    tf = load_tensorflow()
    converting = converter(model)
    converting.optimizations = [tf.lite.Optimize.DEFAULT]
    converting.representative_dataset = calibration
    converting.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converting.inference_input_type = converting.inference_output_type = tf.int8
    return converting.convert()


def by_the_quantizer(model: Any, tmp_path: Path) -> bytes:
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_quantizer import quantizer, recipe

    table = schema.ModelT.InitFromPackedBuf(converter(model).convert(), 0)
    signature, entries = schema.SignatureDefT(), []
    for index in (table.subgraphs[0].inputs[0], table.subgraphs[0].outputs[0]):
        entries.append(schema.TensorMapT())
        entries[-1].name, entries[-1].tensorIndex = f"tensor{len(entries)}", index
    signature.signatureKey, signature.inputs, signature.outputs = "serving_default", entries[:1], entries[1:]
    table.signatureDefs = [signature]
    quantizing = quantizer.Quantizer(pack(table), recipe.static_wi8_ai8())
    seen = quantizing.calibrate({"serving_default": [{"tensor1": batch[0]} for batch in calibration()]})
    quantizing.quantize(seen).export_model(str(tmp_path / "int8.tflite"), overwrite=True)
    return (tmp_path / "int8.tflite").read_bytes()


def by_training(model: Any) -> bytes:
    tf, keras = load_tensorflow(), load_tf_keras()
    aware = load_tfmot().quantization.keras.quantize_model(model)
    aware.compile(keras.optimizers.Adam(1e-4), "sparse_categorical_crossentropy")
    images, labels = digits()
    aware.fit(images, labels, batch_size=64, epochs=1, verbose=0)
    converting = converter(aware)
    converting.optimizations = [tf.lite.Optimize.DEFAULT]
    converting.inference_input_type = converting.inference_output_type = tf.int8
    return converting.convert()


def codes_of_images(tflite: bytes) -> np.ndarray:
    graph = parse_graph(tflite)
    quant = graph.tensors[graph.inputs[0]].quant
    assert quant is not None
    codes = np.rint(digits()[0][:IMAGES] / np.float32(quant.scales[0])) + quant.zero_points[0]
    return np.clip(codes, -128, 127).astype(np.int8)


def assert_equal_on_all_images(tflite: bytes, tmp_path: Path) -> None:
    """Every output element of both runtimes, and that convolutions and products became integer kernels."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=tflite)
    interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    session = start_session(emit_onnx(tflite), optimized=tmp_path / "optimized.onnx")
    name = session.get_inputs()[0].name
    expected, actual = [], []
    for codes in codes_of_images(tflite):
        interpreter.set_tensor(source, codes[None])
        interpreter.invoke()
        expected.append(interpreter.get_tensor(result))
        actual.append(session.run(None, {name: codes[None]})[0])
    assert expected[0].dtype == np.int8 and len(np.unique(expected)) > 50
    np.testing.assert_array_equal(actual, expected)

    given = Counter(operator.kind for operator in parse_graph(tflite).operators)
    made = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert made["QLinearConv"] == given["CONV_2D"] + given["DEPTHWISE_CONV_2D"]
    assert (made["QGemm"], made["QLinearAdd"]) == (given["FULLY_CONNECTED"], given["ADD"])
    assert made["Transpose"] <= 2  # one of them around the reshape in front of a softmax


@pytest.mark.parametrize("name", NETWORKS)
def test_quantized_by_the_converter(name: str, tmp_path: Path) -> None:
    assert_equal_on_all_images(by_the_converter(trained(name)), tmp_path)


@pytest.mark.parametrize("name", NETWORKS)
def test_quantized_by_the_quantizer(name: str, tmp_path: Path) -> None:
    assert_equal_on_all_images(by_the_quantizer(trained(name), tmp_path), tmp_path)


@pytest.mark.parametrize("name", NETWORKS)
def test_quantized_by_training(name: str, tmp_path: Path) -> None:
    assert_equal_on_all_images(by_training(trained(name)), tmp_path)


@pytest.mark.parametrize("name", NETWORKS)
def test_before_the_softmax(name: str, tmp_path: Path) -> None:
    keras, model = load_tf_keras(), trained(name)
    logits = keras.Model(model.input, model.layers[-2].output)
    assert_equal_on_all_images(by_the_converter(logits), tmp_path)
