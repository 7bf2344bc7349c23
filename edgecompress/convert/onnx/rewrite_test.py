"""Float ONNX files as exporters write binary networks, and the same in bits: equal, with kernels and without."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecompress.convert.conversion import Source, convert
from edgecompress.convert.onnx.functions_test import start
from edgecompress.convert.onnx.kernels_test import with_kernels
from edgecompress.convert.onnx.rewrite import rewrite_onnx
from edgecompress.convert.targets import Target
from edgecompress.convert.tflite.binary.emit import BinaryFile
from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.errors import ConversionError, EdgeCompressError, ModelFileError, UnsupportedModelError
from edgecompress.formats.tflite_test import mutated
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.runtimes.registration import can_register

CHANNELS, SIDE = 12, 9


class Net:
    """A graph that grows node by node; `x` is its input."""

    def __init__(self, *shape: int, seed: int = 0) -> None:
        self.shape = shape or (1, CHANNELS, SIDE, SIDE)
        self.generator = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        output = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [output], name=name, **attributes))
        return output

    def signs(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Filters along axis 0 with one magnitude each; a power of two, so that sums are exact in any order."""
        scales = scale * 2.0 ** self.generator.integers(-2, 2, (shape[0], *[1] * (len(shape) - 1)))
        return (self.generator.choice([-1.0, 1.0], shape) * scales).astype(np.float32)

    def sign(self, x: str) -> str:
        zero, one, minus = (self.constant(value) for value in (0, 1, -1))
        return self.node("Where", self.node("GreaterOrEqual", x, zero), one, minus)

    def conv(self, x: str, filters: int, channels: int, *, size: int = 3, name: str = "", **attributes: Any) -> str:
        kernel = self.constant(self.signs(filters, channels, size, size))
        return self.node("Conv", x, kernel, name=name, **attributes)

    def norm(self, x: str, channels: int, *, rising: bool = False) -> str:
        gamma = self.generator.uniform(0.5, 2, channels) * (1 if rising else self.generator.choice([-1, 1], channels))
        mean, beta = self.generator.normal(size=(2, channels)) * 3
        variance = self.generator.uniform(20, 90, channels)
        return self.node("BatchNormalization", x, *(self.constant(each) for each in (gamma, beta, mean, variance)))

    def model(self, *outputs: str, opset: int = 18, free_batch: bool = False) -> onnx.ModelProto:
        shape = (["N"] if free_batch else [self.shape[0]]) + list(self.shape[1:])
        graph = helper.make_graph(
            self._nodes,
            "graph",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(each, TensorProto.FLOAT, None) for each in outputs],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        return onnx.shape_inference.infer_shapes(model)  # the shapes of the outputs

    def image(self) -> np.ndarray:
        """Numbers of both signs, and every form of zero."""
        x = np.random.default_rng(9).integers(-3, 4, self.shape).astype(np.float32)
        x.reshape(-1)[::7] = -0.0
        return x


def rewritten(model: onnx.ModelProto) -> tuple[BinaryFile, onnx.ModelProto]:
    file = rewrite_onnx(model.SerializeToString(), metadata={"key": "value"})
    result = onnx.load_from_string(file.content)
    onnx.checker.check_model(result, full_check=True)
    assert {each.key: each.value for each in result.metadata_props}["key"] == "value"
    return file, result


def agrees(net: Net, *outputs: str, tolerance: float = 0, **how: Any) -> Counter[str]:
    """The file in bits gives what the float file gives; its nodes by kind."""
    model = net.model(*outputs, **how)
    _, result = rewritten(model)
    image = net.image()
    expected = start(model).run(None, {"x": image})
    for session in [start(result)] + ([with_kernels(result)] if can_register() else []):
        for actual, wanted in zip(session.run(None, {"x": image}), expected, strict=True):
            assert actual.shape == wanted.shape and np.ptp(wanted) > 0
            np.testing.assert_allclose(actual, wanted, rtol=0, atol=tolerance)
    return Counter(node.op_type for node in result.graph.node)


def where(net: Net, x: str, comparison: str, *, yes: int = 1, swapped: bool = False) -> str:
    operands = (net.constant(0), x) if swapped else (x, net.constant(0))
    return net.node("Where", net.node(comparison, *operands), net.constant(yes), net.constant(-yes))


def negated(net: Net, x: str) -> str:
    condition = net.node("Not", net.node("Less", x, net.constant(0)))
    return net.node("Where", condition, net.constant(1), net.constant(-1))


def twice(net: Net, x: str) -> str:
    return net.node("Sign", net.node("Add", net.constant([0.1]), net.node("Sign", x)))


def cast(net: Net, x: str) -> str:
    number = net.node("Cast", net.node("GreaterOrEqual", x, net.constant(0)), to=TensorProto.FLOAT)
    return net.node("Sub", net.node("Mul", number, net.constant(2)), net.constant(1))


def two_casts(net: Net, x: str) -> str:
    """As tf2onnx writes tf.where."""
    condition = net.node("GreaterOrEqual", x, net.constant(0))
    yes = net.node("Cast", condition, to=TensorProto.FLOAT)
    no = net.node("Cast", net.node("Not", condition), to=TensorProto.FLOAT)
    return net.node("Add", net.node("Mul", yes, net.constant(1)), net.node("Mul", net.constant(-1), no))


def of_integers(net: Net, x: str) -> str:
    one, minus = net.constant(1, np.int64), net.constant(-1, np.int64)
    return net.node("Cast", net.node("Where", net.node("Less", x, net.constant(0)), minus, one), to=TensorProto.FLOAT)


def of_whole_tensors(net: Net, x: str) -> str:
    ones = np.ones(net.shape)
    return net.node("Where", net.node("GreaterOrEqual", x, net.constant(0)), net.constant(ones), net.constant(-ones))


SIGNS = {
    "at least": lambda net, x: where(net, x, "GreaterOrEqual"),
    "below": lambda net, x: where(net, x, "Less", yes=-1),
    "at most": lambda net, x: where(net, x, "LessOrEqual", swapped=True),
    "above": lambda net, x: where(net, x, "Greater", yes=-1, swapped=True),
    "negated": negated, "twice": twice, "cast": cast, "two casts": two_casts, "integers": of_integers,
    "whole tensors": of_whole_tensors,
}  # fmt: skip


@pytest.mark.parametrize("form", SIGNS)
def test_every_form_of_sign(form: str) -> None:
    net = Net()
    y = net.conv(SIGNS[form](net, "x"), 8, CHANNELS, pads=[1, 1, 1, 1])
    assert agrees(net, y) == {"BinaryQuantize": 1, "BinaryConv2d": 1}


LOOKALIKES = {
    "Sign": (lambda net, x: net.node("Sign", x), "0 for 0"),
    "above": (lambda net, x: where(net, x, "Greater"), "-1 for 0"),
    "at most": (lambda net, x: where(net, x, "GreaterOrEqual", swapped=True, yes=-1), "-1 for 0"),
}


@pytest.mark.parametrize("form", LOOKALIKES)
def test_a_sign_that_bits_do_not_have_is_refused(form: str) -> None:
    make, reason = LOOKALIKES[form]
    net = Net()
    y = net.conv(make(net, "x"), 8, CHANNELS, name="second")
    with pytest.raises(ConversionError, match=f"'second': .* {reason}"):
        rewritten(net.model(y))


def test_what_only_looks_like_signs_of_one_value_stays_float() -> None:
    net = Net()
    other = net.node("Neg", net.node("Add", "x", net.constant(2)))
    yes = net.node("Cast", net.node("GreaterOrEqual", "x", net.constant(0)), to=TensorProto.FLOAT)
    no = net.node("Cast", net.node("Less", other, net.constant(0)), to=TensorProto.FLOAT)
    y = net.conv(net.node("Sub", yes, no), 8, CHANNELS)
    wide = net.node("Sub", net.constant(np.ones((8, 1, 1, 1))), net.node("Mul", yes, net.constant(2)))
    kinds = agrees(net, y, net.conv(wide, 8, CHANNELS))
    assert kinds["Conv"] == kinds["BinaryDequantize"] == 2 and not kinds["BinaryConv2d"]


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
    minus_to_last, last_to_first = {"perm": [0, 2, 3, 1]}, {"perm": [0, 3, 1, 2]}
    x = "x"
    for filters, channels in ((16, CHANNELS), (8, 16)):
        less = net.node("Not", net.node("Less", x, net.constant(0)))  # the only comparisons of opset 9
        x = net.node("Where", less, net.constant(1), net.constant(-1))
        if opset > 10:
            x = net.node("Pad", x, net.constant([0, 1, 1, 0, 0, 1, 1, 0], np.int64), net.constant(1))
        x = net.conv(net.node("Transpose", x, **last_to_first), filters, channels)
        x = net.node("Transpose", x, **minus_to_last)
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
        kind = {"transB": 1} if matrix == "Gemm^T" else {}
        bias = net.constant(net.generator.integers(-5, 5, outputs) + 0.25)
        return net.node("Gemm", x, net.constant(kernel if kind else kernel.T), bias, alpha=2.0, beta=0.5, **kind)

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


def test_files_that_cannot_be_rewritten() -> None:
    net = Net()
    with pytest.raises(ConversionError, match="No layer of the model has a binary kernel"):
        rewritten(net.model(net.node("Conv", "x", net.constant(net.generator.normal(size=(4, CHANNELS, 3, 3))))))
    net = Net()
    model = net.model(net.conv(net.sign("x"), 8, CHANNELS))
    _, result = rewritten(model)
    with pytest.raises(ConversionError, match="binary already"):
        rewritten(result)
    model.graph.initializer[-1].data_location = TensorProto.EXTERNAL
    with pytest.raises(UnsupportedModelError, match="in other files"):
        rewritten(model)
    with pytest.raises(ModelFileError, match="no ONNX model"):
        rewrite_onnx(b"\0" * 20, metadata={})
    branch = helper.make_graph([], "branch", [], [])
    model = net.model("x")
    model.graph.node.append(helper.make_node("If", ["x"], ["y"], name="fork", then_branch=branch, else_branch=branch))
    with pytest.raises(UnsupportedModelError, match="'fork' is control flow"):
        rewritten(model)


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


def test_a_file_of_tf2onnx(tmp_path: Path) -> None:
    keras, tensorflow = load_tf_keras(), load_tensorflow()
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
    assert kinds == {"BinaryQuantize": 3, "BinaryConv2dBits": 1, "BinaryMaxPool": 1, "BinaryConv2d": 3}
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
