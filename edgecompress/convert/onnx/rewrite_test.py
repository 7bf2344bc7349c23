"""Float ONNX files as exporters write binary networks, and the same in bits: equal, with kernels and without."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edgecompress.convert.conversion import Source, convert
from edgecompress.convert.onnx.rewrite import rewrite_onnx
from edgecompress.convert.targets import Target
from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.errors import ConversionError, EdgeCompressError, ModelFileError, UnsupportedModelError
from edgecompress.formats.tflite.file_test import mutated
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.testing.float_network import CHANNELS, SIDE, Net, agrees, rewritten, where


@pytest.mark.parametrize("seed", range(20))
def test_windows(seed: int) -> None:
    net = Net(2, CHANNELS, 8, 10, seed=seed)
    generator = net.generator
    filters, size = int(generator.integers(1, 20)), int(generator.integers(1, 4))
    attributes: dict[str, Any] = {
        "strides": generator.integers(1, 3, 2).tolist(), "dilations": generator.integers(1, 3, 2).tolist()
    }  # fmt: skip
    reach = [(size - 1) * dilation + 1 for dilation in attributes["dilations"]]
    pads, x = generator.integers(0, np.minimum(reach * 2, 3)).tolist(), net.sign("x")
    half = [border // 2 for border in pads]
    how = ["pads", "Pad", "auto", "both"][seed % 4]
    if how in ("Pad", "both"):
        value, outer = (0, half) if how == "both" else (int(generator.integers(2)), pads)
        amounts = net.constant([0, 0, *outer[:2], 0, 0, *outer[2:]], np.int64)
        x = net.node("Pad", x, amounts, net.constant(value))
    if how in ("pads", "both"):
        attributes["pads"] = half if how == "both" else pads
    if how == "auto":
        attributes |= {"auto_pad": str(generator.choice(["SAME_UPPER", "SAME_LOWER", "VALID"])), "dilations": [1, 1]}
    y = net.conv(x, filters, CHANNELS, size=size, **attributes)
    assert agrees(net, y) == {"BinaryQuantize": 1, "BinaryConv2d": 1}


@pytest.mark.parametrize("opset", [9, 13, 18, 21])
def test_images_with_channels_last(opset: int) -> None:
    """As converters from TensorFlow write: what is not a convolution stands between Transposes."""
    net = Net(1, SIDE, SIDE, CHANNELS)
    x = "x"
    for filters, channels in ((16, CHANNELS), (8, 16)):
        less = net.node("Not", net.node("Less", x, net.constant(0)))  # the only comparisons of opset 9
        x = net.node("Where", less, net.constant(1), net.constant(-1))
        if opset > 10:
            x = net.node("Pad", x, net.constant([0, 1, 1, 0, 0, 1, 1, 0], np.int64), net.constant(1))
        x = net.conv(net.node("Transpose", x, perm=[0, 3, 1, 2]), filters, channels)
        x = net.node("Transpose", x, perm=[0, 2, 3, 1])
        x = net.node("Mul", x, net.constant(net.generator.choice([-0.5, 2], filters)))
        x = net.node("Add", net.constant(net.generator.normal(size=filters)), x)
    kinds = agrees(net, x, opset=opset, tolerance=2**-19)  # values below 128: half a step of 2^-17 in two sums
    assert kinds == {"Transpose": 2, "BinaryQuantize": 1, "BinaryConv2dBits": 1, "BinaryConv2d": 1}


def test_signs_behind_batch_norm_and_pool_become_thresholds() -> None:
    net = Net()
    x = net.norm(net.conv(net.sign("x"), 20, CHANNELS, pads=[0, 0, 0, 0]), 20)
    x = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1])
    x = net.node("Pad", net.sign(x), net.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), net.constant(1))
    x = net.node("Relu", net.conv(x, 16, 20))
    x = net.sign(net.node("Sub", x, net.constant([5.25])))
    kinds = agrees(net, net.conv(x, 5, 16, pads=[1, 1, 1, 1]))
    assert kinds == {"BinaryQuantize": 1, "BinaryConv2dBits": 2, "BinaryMaxPool": 1, "BinaryConv2d": 1}


def test_a_pool_of_signs_is_a_pool_of_bits() -> None:
    net = Net()
    x = net.node("MaxPool", net.sign("x"), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    assert agrees(net, net.conv(x, 5, CHANNELS)) == {"BinaryQuantize": 1, "BinaryMaxPool": 1, "BinaryConv2d": 1}


@pytest.mark.parametrize("least", [-1, 0])
def test_a_clip_before_the_sign_becomes_part_of_the_threshold(least: int) -> None:
    net = Net()
    x = net.node("Clip", net.conv(net.sign("x"), 8, CHANNELS), net.constant(least), net.constant(1))
    x = where(net, x, "GreaterOrEqual") if least else net.sign(net.node("Sub", x, net.constant(0.5)))
    kinds = agrees(net, net.conv(x, 5, 8))
    assert (kinds["Clip"], kinds["BinaryConv2dBits"]) == (0, 1)


@pytest.mark.parametrize("rising", [True, False])
def test_a_batch_norm_behind_the_pool_is_folded_where_it_rises(rising: bool) -> None:
    net = Net()
    x = net.node("MaxPool", net.conv(net.sign("x"), 8, CHANNELS), kernel_shape=[2, 2])
    kinds = agrees(net, net.conv(net.sign(net.norm(x, 8, rising=rising)), 5, 8))
    assert kinds["BinaryMaxPool"] == kinds["BinaryConv2dBits"] == int(rising)
    assert kinds["MaxPool"] == kinds["BatchNormalization"] == int(not rising)


def test_a_relu_is_taken_in_only_where_no_bias_stands_before_it() -> None:
    net = Net()
    x = net.sign("x")
    direct = net.node("Neg", net.node("Relu", net.conv(x, 8, CHANNELS)))
    shifted = net.node("Relu", net.node("Add", net.conv(x, 8, CHANNELS), net.constant(0.5)))
    falling = net.node("Relu", net.node("Mul", net.conv(x, 8, CHANNELS), net.constant(-2)))
    kinds = agrees(net, direct, shifted, falling)
    assert (kinds["Relu"], kinds["BinaryConv2d"], kinds["BinaryQuantize"]) == (2, 3, 1)


@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [0, 0, 0, 0]])
def test_a_result_that_others_read_stays_real(pads: list[int]) -> None:
    net = Net()
    x = net.conv(net.sign("x"), CHANNELS, CHANNELS, pads=pads)
    y = net.conv(net.sign(x), CHANNELS, CHANNELS, pads=[1, 1, 1, 1])
    z = net.conv(net.sign(net.node("Add", y, x)), 4, CHANNELS)
    assert agrees(net, x, z) == {"BinaryQuantize": 3, "BinaryConv2d": 3, "Add": 1}


@pytest.mark.parametrize("matrix", ["MatMul", "Gemm", "Gemm^T"])
@pytest.mark.parametrize("free_batch", [False, True])
def test_dense_layers(matrix: str, free_batch: bool) -> None:
    net = Net(3, 50)

    def dense(x: str, outputs: int, inputs: int) -> str:
        kernel = net.signs(outputs, inputs)
        if matrix == "MatMul":
            return net.node("MatMul", x, net.constant(kernel.T))
        turned = matrix == "Gemm^T"
        bias = net.constant(net.generator.integers(-5, 5, outputs) + 0.25)
        return net.node(
            "Gemm", x, net.constant(kernel if turned else kernel.T), bias, alpha=2.0, beta=0.5, transB=int(turned)
        )

    x = net.sign(net.norm(dense(net.sign("x"), 21, 50), 21))
    kinds = agrees(net, dense(x, 10, 21), free_batch=free_batch)
    assert kinds == {"BinaryQuantize": 1, "BinaryConv2dBits": 1, "BinaryConv2d": 1, "Reshape": 2}


@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
@pytest.mark.parametrize("before", [False, True], ids=["signs flattened", "flattened, then signs"])
def test_a_flattened_image_keeps_its_bits(last: bool, before: bool) -> None:
    net = Net()
    y = net.conv(net.sign("x"), 20, CHANNELS, strides=[2, 2])
    y = net.node("Transpose", y, perm=[0, 2, 3, 1]) if last else y
    y = y if before else net.sign(y)
    y = net.node("Flatten", y) if last else net.node("Reshape", y, net.constant([-1, 20 * 16], np.int64))
    y = net.sign(y) if before else y
    kinds = agrees(net, net.node("MatMul", y, net.constant(net.signs(7, 20 * 16).T)))
    assert kinds == {"BinaryQuantize": 1, "BinaryConv2dBits": 1, "BinaryConv2d": 1, "Reshape": 1}


def test_layers_with_real_inputs_keep_their_kernels_as_bits() -> None:
    net = Net()
    y = net.conv("x", 16, CHANNELS, name="plain", pads=[1, 1, 1, 1])
    grouped = net.conv(y, 8, 4, name="grouped", group=4)
    depthwise = net.conv(net.sign(y), 16, 1, name="depthwise", group=16)
    rows = net.node("Reshape", grouped, net.constant([8, -1], np.int64))
    product = net.node("MatMul", rows, net.constant(net.signs(5, 49).T), name="product")
    dense = net.node("Gemm", product, net.constant(net.signs(6, 5)), transB=1, name="dense")
    file, result = rewritten(net.model(depthwise, dense))
    assert {note.layer: note.reason for note in file.notes} == {
        "plain": "its inputs are real", "grouped": "its inputs are real", "product": "its inputs are real",
        "dense": "its inputs are real", "depthwise": "it is a convolution in 16 groups",
    }  # fmt: skip
    kinds = agrees(net, depthwise, dense)
    assert kinds["BinaryDequantize"] == 5 and not kinds["BinaryConv2d"]
    largest = max((each for each in result.graph.initializer), key=lambda each: len(each.raw_data))
    assert (largest.data_type, list(largest.dims)) == (TensorProto.UINT8, [16, -(-CHANNELS * 9 // 8)])


def test_inputs_that_cannot_be_bits_leave_the_kernel_in_bits() -> None:
    net = Net()
    half = net.node("Pad", net.sign("x"), net.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), net.constant(0.5))
    ones = net.node("Pad", net.sign("x"), net.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64), net.constant(1))
    outputs = net.conv(half, 8, CHANNELS), net.conv(ones, 8, CHANNELS, pads=[1, 1, 1, 1])
    assert agrees(net, *outputs)["BinaryDequantize"] == 2
    file, _ = rewritten(net.model(*outputs))
    assert [note.reason for note in file.notes] == [
        "its signs are padded with 0.5, which is no sign", "its input is padded twice"
    ]  # fmt: skip


def test_an_empty_border_says_nothing_of_the_padding() -> None:
    net = Net()
    x = net.node("Pad", net.sign("x"), net.constant([0] * 8, np.int64), net.constant(1))
    assert agrees(net, net.conv(x, 8, CHANNELS, pads=[1, 1, 1, 1])) == {"BinaryQuantize": 1, "BinaryConv2d": 1}


def test_a_layer_that_no_output_needs_is_left_out() -> None:
    net = Net()
    net.conv(net.sign("x"), 4, CHANNELS)
    assert agrees(net, net.conv(net.sign("x"), 8, CHANNELS)) == {"BinaryQuantize": 1, "BinaryConv2d": 1}


def test_files_that_cannot_be_rewritten() -> None:
    net = Net()
    with pytest.raises(ConversionError, match="No layer of the model has a binary kernel"):
        rewritten(net.model(net.node("Conv", "x", net.constant(net.generator.normal(size=(4, CHANNELS, 3, 3))))))
    net = Net()
    model = net.model(net.conv(net.sign("x"), 8, CHANNELS))
    _, result = rewritten(model)
    with pytest.raises(ConversionError, match="binary already"):
        rewritten(result)
    for proto in (model.graph.initializer[-1], model.graph.node.add(op_type="Constant").attribute.add(type=4).t):
        proto.data_location = TensorProto.EXTERNAL
        with pytest.raises(UnsupportedModelError, match="in other files"):
            rewritten(model)
        proto.data_location = TensorProto.DEFAULT
    with pytest.raises(ModelFileError, match="no ONNX model"):
        rewrite_onnx(b"\0" * 20, metadata={})
    branch = helper.make_graph([], "branch", [], [])
    model = net.model("x")
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], name="fork", then_branch=branch, else_branch=branch))
    with pytest.raises(UnsupportedModelError, match="'fork' is control flow"):
        rewritten(model)


@pytest.mark.parametrize("seed", range(12))
def test_random_networks(seed: int) -> None:
    net = Net(seed=seed)
    generator, x, channels, size = net.generator, "x", CHANNELS, SIDE
    outputs = []
    for _ in range(5):
        filters = int(generator.integers(1, 30))
        y = net.sign(x)
        if generator.random() < 0.3:
            amounts = net.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
            y = net.node("Pad", y, amounts, net.constant(int(generator.integers(2))))
            y = net.conv(y, filters, channels)
        else:
            y = net.conv(y, filters, channels, pads=[1, 1, 1, 1])
        for kind in generator.permutation(["Relu", "norm", "MaxPool", "Clip", "Add", "Div", "turns", "Identity"])[:4]:
            if kind == "norm":
                y = net.norm(y, filters, rising=bool(generator.integers(2)))
            elif kind == "MaxPool" and size > 3:
                y, size = net.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2]), size // 2
            elif kind == "Clip":
                y = net.node("Clip", y, net.constant(-1.5), net.constant(2))
            elif kind == "Add":
                y = net.node("Add", net.constant(generator.normal(size=(filters, 1, 1))), y)
            elif kind == "Div":
                y = net.node("Div", y, net.constant(-0.75))
            elif kind == "turns":
                y = net.node("Transpose", y, perm=[0, 2, 3, 1])
                y = net.node("Sub", net.constant(generator.normal(size=filters)), y)
                y = net.node("Transpose", y, perm=[0, 3, 1, 2])
            elif kind in ("Relu", "Identity"):
                y = net.node(kind, y)
        if generator.random() < 0.2:
            outputs.append(y)
        x, channels = y, filters
    # Signs are equal; values below 128, of steps of 2^-17, are rounded otherwise at most eight times.
    agrees(net, *outputs, net.conv(net.sign(x), 6, channels, pads=[1, 1, 1, 1]), tolerance=2**-14)


def test_damaged_files_are_refused_and_nothing_else() -> None:
    net = Net(1, 4, 6, 6)
    x = net.node("MaxPool", net.norm(net.conv(net.sign("x"), 6, 4), 6), kernel_shape=[2, 2])
    x = net.node("Flatten", net.node("Transpose", net.sign(x), perm=[0, 2, 3, 1]))
    content = net.model(net.node("MatMul", x, net.constant(net.signs(3, 54).T))).SerializeToString()
    refused = 0
    source = random.Random(0)
    for _ in range(500):
        try:
            rewrite_onnx(mutated(content, source), metadata={})
        except EdgeCompressError:
            refused += 1
    assert refused > 30


def test_as_a_target(tmp_path: Path) -> None:
    net = Net(1, 4, 4, 3)
    image = net.node("Transpose", "x", perm=[0, 3, 1, 2])
    y = net.conv(net.sign(net.conv(image, 8, 3, name="first")), 4, 8, size=2, name="second")
    model = net.model(y).SerializeToString()
    source = Source(variant="net", model=model, origin="net.onnx")
    with pytest.raises(ConversionError, match="not as tflite:binary"):
        convert(source, (Target("tflite", "binary"),), tmp_path)
    (artifact,) = convert(source, (Target("onnx", "binary"),), tmp_path)
    assert artifact.path == str(tmp_path / "net.binary.onnx") and artifact.target == "onnx:binary"
    assert [(note.layer, note.action) for note in artifact.float_layers] == [
        ("first", "binary weights, float arithmetic")
    ]  # fmt: skip


def test_a_source_that_the_optimizers_compute_wrongly_is_compared_as_it_is_written(tmp_path: Path) -> None:
    net = Net()
    below_zero = net.node("Sub", net.conv(net.sign("x"), 8, CHANNELS), net.constant(200))
    border = net.node("Pad", below_zero, net.constant([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    pooled = net.node("MaxPool", border, kernel_shape=[3, 3], strides=[2, 2])
    source = Source("net", net.model(pooled).SerializeToString(), "net.onnx")
    (artifact,) = convert(source, (Target("onnx", "binary"),), tmp_path)
    with RuntimeProcess(artifact.path) as process:
        (found,) = process.run([net.image()])
    assert found.max() == 0 > found.min()  # zeros at the border are above all else
    assert artifact.agreement[0].largest_difference == 0


def test_a_file_of_tf2onnx(tmp_path: Path) -> None:
    keras, tensorflow = load_keras(), load_tensorflow()
    import tf2onnx

    from edgecompress.convert.tflite.binary.emit_test import binary, finished

    layers = keras.layers
    image = keras.Input((12, 12, 3))
    x = layers.BatchNormalization()(layers.Conv2D(32, 3, strides=2, padding="same")(image))
    x = layers.BatchNormalization()(binary("BinaryConv2D", 64, 3, padding="same")(x))
    x = layers.MaxPooling2D(2)(x)
    x = layers.BatchNormalization()(binary("BinaryConv2D", 40, 3, padding="same", pad_values=0, scaled=True)(x))
    x = layers.BatchNormalization()(binary("BinaryConv2D", 32, 3, padding="same", activation="relu")(x))
    x = layers.BatchNormalization()(binary("BinaryDense", 16)(layers.Flatten()(x)))
    model = finished(keras, image, layers.Dense(5)(x))
    signature = [tensorflow.TensorSpec((1, 12, 12, 3), tensorflow.float32, name="x")]
    function = tensorflow.function(lambda x: model(x, training=False), input_signature=signature)
    proto, _ = tf2onnx.convert.from_function(function, signature, opset=15)
    file, result = rewritten(proto)
    kinds = Counter(node.op_type for node in result.graph.node if node.domain)
    assert kinds == {"BinaryQuantize": 2, "BinaryConv2dBits": 2, "BinaryMaxPool": 1, "BinaryConv2d": 2}
    assert len(file.content) < proto.ByteSize() / 6
    path = tmp_path / "binary.onnx"
    path.write_bytes(file.content)
    images = np.random.default_rng(1).normal(size=(5, 12, 12, 3)).astype(np.float32)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = np.concatenate([session.run(None, {"x": image[None]})[0] for image in images])
    for plain in (True, False):
        with RuntimeProcess(path, plain=plain) as process:
            found = process.run_batch(images)
        # Sums of signs are equal; what float32 rounds otherwise is 2^-23 a few times of values below 64.
        assert np.abs(found - expected).max() <= 64 * 2**-21
