"""Files of Keras 3 models: converted as they are, compared, and kept apart by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.convert.targets import Options, parse_target
from edgecompress.environment import load_keras
from edgecompress.errors import ConversionError
from edgecompress.formats.tflite.file import read_graph
from edgecompress.pipeline.convert import convert_file
from edgecompress.runtimes.process import RuntimeProcess

FLOAT = (parse_target("tflite:float32"), parse_target("onnx:float32"))
INT8 = (parse_target("tflite:int8"), parse_target("onnx:int8"))
IMAGES = np.random.default_rng(0).normal(size=(40, 8, 8, 4)).astype(np.float32)


def colliding(keras: Any) -> Any:
    """Three convolutions whose names TensorFlow would make of one another, and an operation that Keras 2 lacks."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 4), name="image")
    x = layers.Conv2D(8, 3, activation="relu", name="conv_1")(image)
    x = layers.Conv2D(8, 3, activation="relu", name="conv_1_1")(x)
    x = layers.Conv2D(8, 3, activation="relu", name="conv")(x)
    x = layers.GlobalAveragePooling2D()(keras.ops.hstack([x, x]))
    return keras.Model(image, layers.Dense(4, activation="softmax", name="scores")(x), name="net")


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> tuple[Path, np.ndarray]:
    """The model's file, and what it gives."""
    folder = tmp_path_factory.mktemp("native")
    model = colliding(load_keras())
    model.save(folder / "net.keras")
    np.savez(folder / "images.npz", image=IMAGES)
    return folder / "net.keras", np.asarray(model(IMAGES[:4], training=False))


def scores(path: Path) -> np.ndarray:
    with RuntimeProcess(path) as process:
        return np.concatenate([process.run([image[None]])[0] for image in IMAGES[:4]])


def test_float_files_compute_what_it_computes(saved, tmp_path: Path) -> None:
    path, expected = saved
    for artifact in convert_file(path, FLOAT, tmp_path, options=Options()):
        # Probabilities of sums of some hundred float32 terms in another order, 2^-24 each.
        np.testing.assert_allclose(scores(tmp_path / artifact.path), expected, rtol=0, atol=1e-5)
        assert artifact.agreement[0].signal_to_noise_db > 100


def test_a_layer_is_kept_float_by_its_own_name(saved, tmp_path: Path) -> None:
    path, expected = saved
    options = Options(keep_float="conv_1")
    tflite, onnx = convert_file(path, INT8, tmp_path, options=options, calibrate=f"npz:{path.parent / 'images.npz'}")
    graph = read_graph(tmp_path / tflite.path)
    kinds = {
        graph.tensors[index].name.split(";")[0].split("/")[1]: graph.tensors[index].dtype
        for index, operator in graph.producers.items()
        if operator.kind == "CONV_2D"
    }
    assert kinds == {"conv_1": "float32", "conv_1_1": "int8", "conv": "int8"}
    for artifact in (tflite, onnx):
        # Probabilities; a quantized network of three layers is some hundredths off.
        assert np.abs(scores(tmp_path / artifact.path) - expected).max() < 0.1
    assert {note.reason for note in tflite.float_layers if "/conv_1/" in note.layer} == {"matches --keep-float"}


def test_what_the_converter_lacks_is_named(tmp_path: Path) -> None:
    keras = load_keras()
    image = keras.Input((8, 8, 4), name="image")
    keras.Model(image, keras.ops.erf(image), name="net").save(tmp_path / "erf.keras")
    with pytest.raises(ConversionError, match=r"refused 'net' at 'erf.*': TFLite has no operator tf.Erf"):
        convert_file(tmp_path / "erf.keras", FLOAT, tmp_path / "out", options=Options())
    assert not any((tmp_path / "out").glob("*"))


def test_binary_layers_and_float_ends_are_told_apart_by_their_own_names(tmp_path: Path) -> None:
    from edgecompress.layers.convolution import BinaryConv2D

    keras = load_keras()
    layers = keras.layers
    keras.utils.set_random_seed(1)
    image = keras.Input((8, 8, 4), name="image")
    x = layers.Conv2D(32, 3, padding="same", name="conv_1")(image)
    x = BinaryConv2D(32, 3, padding="same", name="conv_1_1")(layers.BatchNormalization(name="bn_1")(x))
    x = BinaryConv2D(32, 3, padding="same", name="conv")(layers.BatchNormalization(name="bn")(x))
    x = layers.GlobalAveragePooling2D()(layers.BatchNormalization(name="bn_1_1")(x))
    model = keras.Model(image, layers.Dense(4, activation="softmax", name="scores")(x), name="net")
    model(IMAGES)  # so that Keras has used its own names already
    model.save(tmp_path / "net.keras")
    np.savez(tmp_path / "images.npz", image=IMAGES)
    targets = tuple(map(parse_target, ("tflite:binary", "onnx:binary")))
    calibrate = f"npz:{tmp_path / 'images.npz'}"
    tflite, onnx = convert_file(
        tmp_path / "net.keras", targets, tmp_path, options=Options(keep_float="conv_1"), calibrate=calibrate
    )
    graph = read_graph(tmp_path / tflite.path)
    kinds = {graph.tensors[each.outputs[0]].name.split("/")[1]: each for each in graph.operators[:-1]}
    (kept,) = (each for each in graph.operators if each.kind == "CONV_2D")
    assert "/conv_1/" in graph.tensors[kept.outputs[0]].name and graph.tensors[kept.outputs[0]].dtype == "float32"
    assert {name for name, each in kinds.items() if each.custom_code == "LceBconv2d"} == {"conv", "conv_1_1"}
    for artifact in (tflite, onnx):
        # Compared with the network before its layers became bits: equal, but for signs that rounding turns.
        assert artifact.agreement[0].signal_to_noise_db > 84
