"""Every form of binary layer, from Keras to bits, run by the kernels and compared with Keras."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.convert.tflite.binary.emit import binary_tensors, emit_binary
from edgecompress.convert.tflite.binary.meant import meant_binary
from edgecompress.convert.tflite.export import export_float
from edgecompress.environment import load_keras
from edgecompress.errors import ConversionError, RuntimeRefusal
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.runtimes.process import RuntimeProcess

SIDE = 12


@pytest.fixture(scope="module")
def keras() -> Any:
    return load_keras()


def finished(keras: Any, image: Any, x: Any, seed: int = 0) -> Any:
    """A model with batch norms that have seen something, and gammas of both signs."""
    model = keras.Model(image, x)
    generator = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    generator.uniform(0.5, 2, gamma.shape) * generator.choice([-1, 1], gamma.shape),
                    generator.normal(size=beta.shape),
                    generator.normal(size=mean.shape) * 3,
                    generator.uniform(20, 90, variance.shape),
                ]
            )
    return model


def emitted(model: Any) -> tuple[bytes, Counter[str]]:
    """The binary file, and how many operators of each kind it has."""
    file = emit_binary(export_float(model), expected=meant_binary(model))
    graph = parse_graph(file.content)
    return file.content, Counter(operator.custom_code or operator.kind for operator in graph.operators)


def agrees(model: Any, content: bytes, folder: Path) -> None:
    """The file computes what Keras does.

    Sums of signs are equal; what float32 rounds otherwise is 2^-23 a few times of values below 64. A rounding may turn
    a sign where a batch norm gives just 0, which for these seeds it does not.
    """
    path = folder / "binary.tflite"
    path.write_bytes(content)
    images = np.random.default_rng(1).normal(size=(5, *model.input_shape[1:])).astype(np.float32)
    with RuntimeProcess(path) as process:
        found = process.run_batch(images)
    expected = model.predict(images, verbose=0)
    assert np.ptp(expected) > 0.1
    assert np.abs(found.reshape(expected.shape) - expected).max() <= 64 * 2**-21


def binary(kind: str, *arguments: Any, **options: Any) -> Any:
    from edgecompress.layers import custom_objects

    return custom_objects()[kind](*arguments, **{"use_bias": False, **options})


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("pad_values", [0, 1])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("channels", [32, 20])
def test_a_convolution(keras: Any, padding: str, pad_values: int, strides: int, channels: int, tmp_path: Path) -> None:
    image = keras.Input((SIDE, SIDE, channels))
    x = binary("BinaryConv2D", 24, 3, padding=padding, pad_values=pad_values, strides=strides)(image)
    model = finished(keras, image, keras.layers.BatchNormalization()(x))
    content, kinds = emitted(model)
    assert kinds == {"LceQuantize": 1, "LceBconv2d": 1}
    agrees(model, content, tmp_path)


def test_signs_behind_batch_norm_and_pool_become_thresholds(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 32))
    x = layers.BatchNormalization()(binary("BinaryConv2D", 64, 3, padding="same")(image))
    x = layers.MaxPooling2D(2)(x)
    x = layers.BatchNormalization()(binary("BinaryConv2D", 40, 3, padding="same", scaled=True)(x))
    x = layers.BatchNormalization()(binary("BinaryConv2D", 32, 3, padding="same", activation="relu")(x))
    model = finished(keras, image, x)
    content, kinds = emitted(model)
    assert kinds == {"LceQuantize": 1, "LceBconv2d": 3, "LceBMaxPool2d": 1}
    graph = parse_graph(content)
    convolutions = [operator for operator in graph.operators if operator.custom_code == "LceBconv2d"]
    assert [graph.tensors[operator.outputs[0]].dtype for operator in convolutions] == ["int32", "int32", "float32"]
    agrees(model, content, tmp_path)


def test_a_batch_norm_behind_the_pool_is_folded_where_it_rises(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 32))
    x = layers.MaxPooling2D(2)(binary("BinaryConv2D", 32, 3, padding="same")(image))
    x = layers.BatchNormalization(name="rising")(x)
    model = finished(keras, image, binary("BinaryConv2D", 32, 3, padding="same")(x))
    _, kinds = emitted(model)
    assert kinds["MAX_POOL_2D"] == kinds["MUL"] == kinds["ADD"] == 1  # a falling channel keeps all as it is
    rising = model.get_layer("rising")
    rising.set_weights([np.abs(rising.get_weights()[0]), *rising.get_weights()[1:]])
    content, kinds = emitted(model)
    assert kinds == {"LceQuantize": 1, "LceBconv2d": 2, "LceBMaxPool2d": 1}
    agrees(model, content, tmp_path)


@pytest.mark.parametrize("channels", [32, 20])
def test_dense_layers_behind_flatten(keras: Any, channels: int, tmp_path: Path) -> None:
    layers = keras.layers
    image = keras.Input((4, 4, channels))
    x = layers.BatchNormalization()(binary("BinaryDense", 48)(layers.Flatten()(image)))
    x = layers.BatchNormalization()(binary("BinaryDense", 10)(x))
    model = finished(keras, image, x)
    content, kinds = emitted(model)
    assert kinds["LceBconv2d"] == 2 and kinds["LceQuantize"] == 1 and not kinds["FULLY_CONNECTED"]
    agrees(model, content, tmp_path)


DENSE_INPUTS = {  # of an image of 4 x 6 x 64
    "rows of whole words": lambda layers, x: layers.Reshape((24, 64))(x),
    "rows of parts of words": lambda layers, x: layers.Reshape((24, 20))(x[..., :20]),
    "pixels": lambda layers, x: x,
    "pixels taken apart": lambda layers, x: layers.Reshape((48, 32))(x),
    "pixels joined": lambda layers, x: layers.Reshape((12, 128))(x),
    "pixels joined to parts of words": lambda layers, x: layers.Reshape((32, 48))(x),
}


def test_dense_layers_of_more_than_rows(keras: Any, tmp_path: Path) -> None:
    image = keras.Input((4, 6, 64))
    outputs = []
    for take in DENSE_INPUTS.values():
        x = keras.layers.BatchNormalization()(binary("BinaryDense", 40)(take(keras.layers, image)))
        outputs.append(binary("BinaryDense", 12)(x))
    model = finished(keras, image, outputs)
    content, kinds = emitted(model)
    assert kinds["LceBconv2d"] == 12
    images = np.random.default_rng(1).normal(size=(1, 4, 6, 64)).astype(np.float32)
    expected = model.predict(images, verbose=0)
    for name, data in (("model.tflite", content), ("model.onnx", emit_onnx(content))):
        (tmp_path / name).write_bytes(data)
        with RuntimeProcess(tmp_path / name) as process:
            for actual, wanted in zip(process.run([images]), expected, strict=True):
                np.testing.assert_array_equal(actual, wanted)


def test_a_residual_stays_real(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    x = image = keras.Input((SIDE, SIDE, 32))
    for _ in range(2):
        inner = binary("BinaryConv2D", 32, 3, padding="same", activation="relu")(x)
        x = layers.Add()([x, layers.BatchNormalization()(inner)])
    model = finished(keras, image, x)
    content, kinds = emitted(model)
    assert kinds == {"LceQuantize": 2, "LceBconv2d": 2, "ADD": 2}
    agrees(model, content, tmp_path)


def test_weights_alone_are_stored_in_bits(keras: Any, tmp_path: Path) -> None:
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 8))
    x = binary("BinaryConv2D", 16, 3, binary_inputs=False, scaled=True, activation="relu")(image)
    x = binary("BinaryDepthwiseConv2D", 3, scaled=True)(x)
    x = binary("BinaryDense", 40, binary_inputs=False, use_bias=True)(layers.Flatten()(x))
    model = finished(keras, image, x)
    content, kinds = emitted(model)
    assert kinds["LceDequantize"] == 3 and not kinds["LceBconv2d"]
    assert len(content) < len(export_float(model)) / 6  # the rest is names and the flatbuffer itself
    agrees(model, content, tmp_path)


def test_the_map_of_magnitudes_is_a_float_branch(keras: Any, tmp_path: Path) -> None:
    image = keras.Input((SIDE, SIDE, 32))
    x = binary("BinaryConv2D", 32, 3, padding="same", scaled=True, input_scale=True)(image)
    model = finished(keras, image, x)
    content, kinds = emitted(model)
    assert kinds["LceBconv2d"] == 1 and kinds["MUL"] == 1 and kinds["ABS"] == 1
    agrees(model, content, tmp_path)


def test_bytes_of_binary_layers_are_one_bit_a_weight(keras: Any) -> None:
    image = keras.Input((SIDE, SIDE, 64))
    x = binary("BinaryConv2D", 64, 3, padding="same")(image)
    model = finished(keras, image, binary("BinaryConv2D", 64, 3, padding="same")(keras.layers.BatchNormalization()(x)))
    graph = parse_graph(emitted(model)[0])
    kernels = [graph.tensors[op.inputs[1]] for op in graph.operators if op.custom_code == "LceBconv2d"]
    assert [kernel.data.nbytes for kernel in kernels if kernel.data is not None] == [64 * 9 * 64 // 8] * 2


def test_a_model_without_binary_layers_is_refused(keras: Any) -> None:
    image = keras.Input((SIDE, SIDE, 3))
    content = export_float(finished(keras, image, keras.layers.Conv2D(8, 3)(image)))
    assert binary_tensors(content) == ()
    with pytest.raises(ConversionError, match="No layer of the model has a binary kernel"):
        emit_binary(content)


def test_every_layer_that_stays_float_is_named(keras: Any) -> None:
    image = keras.Input((SIDE, SIDE, 32))
    x = binary("BinaryConv2D", 32, 3, binary_inputs=False, name="first")(keras.ops.sign(image))  # sign(0) = 0
    x = keras.layers.Conv2D(8, 3, name="second")(x)
    content = export_float(finished(keras, image, x))
    with pytest.raises(ConversionError) as caught:
        emit_binary(content, expected={"first": True, "second": False})
    assert "'first': its inputs in the TFLite file are not the signs" in caught.value.message
    assert "'second': its kernel in the TFLite file is not of one magnitude" in caught.value.message


def test_operators_that_share_a_code_are_given_their_own(keras: Any, tmp_path: Path) -> None:
    """Larq's converter writes such files, which LiteRT's interface cannot tell apart."""
    from edgecompress.convert.tflite.editor import Editor

    x = image = keras.Input((SIDE, SIDE, 32))
    for _ in range(3):
        x = keras.layers.BatchNormalization()(binary("BinaryConv2D", 32, 3, padding="same")(x))
    model = finished(keras, image, x)
    editor = Editor(emitted(model)[0])
    convolutions = [operator for operator in editor.graph.operators if editor.kind(operator) == "LceBconv2d"]
    for operator in convolutions:
        operator.opcodeIndex = convolutions[0].opcodeIndex
    shared = tmp_path / "shared.tflite"
    shared.write_bytes(editor.content())
    with pytest.raises(RuntimeRefusal, match="edgecompress"), RuntimeProcess(shared):
        pass
    agrees(model, emit_binary(shared.read_bytes()).content, tmp_path)


def test_one_code_for_each_operator(keras: Any) -> None:
    """A runtime tells custom operators apart by their entry among the operator codes."""
    from ai_edge_litert import schema_py_generated as schema

    x = image = keras.Input((SIDE, SIDE, 32))
    for _ in range(3):
        x = keras.layers.BatchNormalization()(binary("BinaryConv2D", 32, 3, padding="same")(x))
    model = schema.ModelT.InitFromPackedBuf(emitted(finished(keras, image, x))[0], 0)
    codes = [operator.opcodeIndex for operator in model.subgraphs[0].operators]
    assert len(set(codes)) == len(codes) == 4


BEHIND: dict[str, Any] = {
    "a constant minus the pool": lambda layers, x: 1.0 - layers.MaxPooling2D(2)(x),
    "the pool minus a constant": lambda layers, x: layers.MaxPooling2D(2)(x) - 1.0,
    "a constant minus the sum": lambda layers, x: 1.0 - x,
    "the pool times a negative number": lambda layers, x: -1.5 * layers.MaxPooling2D(2)(x),
    "a quotient": lambda layers, x: x / -3.0,
    "a quotient by the sum": lambda layers, x: 1.0 / (x + 0.3),
    "a negated pool": lambda layers, x: -layers.MaxPooling2D(2)(x),
    "a bound above": lambda layers, x: load_keras().ops.minimum(x, 3.5) * 2.0,
    "a bound below": lambda layers, x: 2.0 - load_keras().ops.maximum(x, -3.5),
    "one activation behind another": lambda layers, x: layers.ReLU(6.0)(layers.ReLU()(x) * -0.5 + 3.0),
    "a constant of rows": lambda layers, x: x * np.arange(SIDE, dtype=np.float32).reshape(SIDE, 1, 1),
    "a constant of columns": lambda layers, x: x - np.arange(SIDE, dtype=np.float32).reshape(SIDE, 1),
    "a constant of channels": lambda layers, x: load_keras().ops.subtract(np.arange(SIDE, dtype=np.float32), x),
    "a batch norm": lambda layers, x: layers.BatchNormalization()(x),
    "a batch norm without some channels": lambda layers, x: layers.BatchNormalization(name="part")(x),
    "a batch norm and its pool": lambda layers, x: layers.MaxPooling2D(2)(layers.BatchNormalization()(x)),
    "a batch norm of the pool": lambda layers, x: layers.BatchNormalization()(layers.MaxPooling2D(2)(x)),
    "its square": lambda layers, x: x * x,
    "twice itself": lambda layers, x: x + x,
}


@pytest.fixture(scope="module")
def branches(keras: Any) -> tuple[Any, np.ndarray, list[np.ndarray]]:
    """A model with all that may stand behind a layer, as branches: numbers, and what a binary layer makes of them."""
    outputs = []
    image = keras.Input((SIDE, SIDE, 8))
    for behind in BEHIND.values():
        # As many channels as columns and rows, so that a constant of one is not one of another by its size alone.
        x = behind(keras.layers, binary("BinaryConv2D", SIDE, 3, padding="same")(image))
        outputs += [x, binary("BinaryConv2D", 4, 3, padding="same")(x)]
    model = finished(keras, image, outputs)
    part = model.get_layer("part")
    gamma, *rest = part.get_weights()
    part.set_weights([gamma * (np.arange(SIDE) % 3 > 0), *rest])
    images = np.random.default_rng(1).normal(size=(3, SIDE, SIDE, 8)).astype(np.float32)
    return model, images, [np.asarray(output) for output in model.predict(images, verbose=0)]


@pytest.mark.parametrize("form", ["LiteRT", "ONNX", "ONNX with kernels"])
def test_what_stands_behind_a_layer(
    branches: tuple[Any, np.ndarray, list[np.ndarray]], form: str, tmp_path: Path
) -> None:
    """Equal to Keras in every format.

    Sums are below 2^7 and factors below 2^3, so that a rounding is at most 2^-15; there are fewer than eight. For
    these seeds no value comes that near to 0, where its sign would be another.
    """
    model, images, expected = branches
    content, _ = emitted(model)
    path = tmp_path / ("model.tflite" if form == "LiteRT" else "model.onnx")
    path.write_bytes(content if form == "LiteRT" else emit_onnx(content))
    with RuntimeProcess(path, plain=form == "ONNX") as process:
        for number, image in enumerate(images):
            found = process.run([image[None]])
            for name, actual, wanted in zip([n for n in BEHIND for _ in range(2)], found, expected, strict=True):
                if name != "a quotient by the sum":
                    assert np.abs(actual - wanted[number]).max() <= 2**-12, name
                else:  # the quotient scales the roundings of sums by its square, below 2^4
                    np.testing.assert_allclose(actual[0], wanted[number], rtol=2**-20, atol=0, err_msg=name)
