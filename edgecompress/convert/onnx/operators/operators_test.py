"""Every operator, as TensorFlow's converter writes it, in both runtimes: float, and int8 after calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from edgecompress.convert.onnx.emit import OPERATORS, emit_onnx
from edgecompress.convert.onnx.emit_test import checked
from edgecompress.convert.onnx.operators.choices import CONDITIONS
from edgecompress.environment import load_tensorflow
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.testing.onnx_sessions import LEVELS, run_onnx, start_session
from edgecompress.testing.tflite_files import run_litert

pytestmark = pytest.mark.slow

IMAGE = (1, 12, 10, 8)


def constant(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """A function of TensorFlow, the operator that it becomes, and by how many steps its int8 results may differ.

    One step where LiteRT multiplies in fixed point, often rounding twice, and the emitter does not reproduce it.
    """

    kind: str
    function: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...] = (IMAGE,)
    steps: int = 0
    quantizes: bool = True


def some(tf: Any, x: Any, reduce: Any) -> Any:
    """Where any, or all, of the channels are above one half."""
    return tf.cast(reduce(x > 0.5, -1, keepdims=True), tf.float32) + x


KERNEL, DEPTHWISE = constant(3, 3, 8, 16) * 0.2, constant(3, 3, 8, 2) * 0.3
SWAPPED = KERNEL.swapaxes(2, 3)
TWO = (IMAGE, IMAGE)


def pooled(tf: Any, x: Any) -> Any:
    """Half the size, and channels-first inside of the emitted graph."""
    return tf.nn.max_pool2d(x, 2, 2, "SAME")


def bilinear(tf: Any, x: Any, size: list[int], **options: bool) -> Any:
    return tf.compat.v1.image.resize_bilinear(x, size, **options)


def nearest(tf: Any, x: Any, size: list[int], **options: bool) -> Any:
    return tf.compat.v1.image.resize_nearest_neighbor(x, size, **options)


CASES = {
    "conv": Case("CONV_2D", lambda tf, x: tf.nn.conv2d(x, KERNEL, 2, "SAME") + constant(16)),
    "conv dilated": Case("CONV_2D", lambda tf, x: tf.nn.conv2d(x, KERNEL, 1, "SAME", dilations=2)),
    "conv relu6": Case("CONV_2D", lambda tf, x: tf.nn.relu6(tf.nn.conv2d(x, KERNEL, 1, "VALID"))),
    "conv clip": Case("CONV_2D", lambda tf, x: tf.clip_by_value(tf.nn.conv2d(x, KERNEL, 1, "VALID"), -1, 1)),
    "conv groups": Case("CONV_2D", lambda tf, x: tf.nn.conv2d(x, constant(3, 3, 2, 16), 1, "SAME"), quantizes=False),
    "depthwise": Case("DEPTHWISE_CONV_2D", lambda tf, x: tf.nn.depthwise_conv2d(x, DEPTHWISE, [1, 1, 1, 1], "SAME")),
    "depthwise stride": Case(
        "DEPTHWISE_CONV_2D", lambda tf, x: tf.nn.relu(tf.nn.depthwise_conv2d(x, DEPTHWISE, [1, 2, 2, 1], "VALID"))
    ),
    # ONNX Runtime sums in float32, LiteRT in int32: a result within 2^-17 of a half may go the other way.
    "transpose conv": Case(
        "TRANSPOSE_CONV", lambda tf, x: tf.nn.conv2d_transpose(x, SWAPPED, [1, 24, 20, 16], 2, "SAME"), steps=1
    ),
    "transpose conv valid": Case(
        "TRANSPOSE_CONV", lambda tf, x: tf.nn.conv2d_transpose(x, SWAPPED, [1, 25, 21, 16], 2, "VALID"), steps=1
    ),
    "fully connected": Case(
        "FULLY_CONNECTED", lambda tf, x: tf.nn.relu(tf.matmul(tf.reshape(x, (1, 960)), constant(960, 10)))
    ),
    "fully connected rows": Case("FULLY_CONNECTED", lambda tf, x: tf.tensordot(x, constant(8, 5), 1) + constant(5)),
    # LiteRT multiplies in fixed point and rounds twice.
    "batch matmul": Case("BATCH_MATMUL", lambda tf, x, y: tf.matmul(x, y, transpose_b=True), ((1, 6, 8), (1, 5, 8)), 1),
    "add": Case("ADD", lambda tf, x, y: x + y, TWO),
    "add relu": Case("ADD", lambda tf, x, y: tf.nn.relu(x + y), TWO),
    "add channels": Case("ADD", lambda tf, x: x + constant(8)),
    "add after conv": Case("ADD", lambda tf, x: tf.nn.max_pool2d(x, 3, 1, "SAME") + constant(12, 1, 8)),
    "sub": Case("SUB", lambda tf, x, y: x - y, TWO, steps=1),
    "mul": Case("MUL", lambda tf, x, y: x * y, TWO),
    "div": Case("DIV", lambda tf, x, y: x / (tf.abs(y) + 1.0), TWO, quantizes=False),
    "maximum": Case("MAXIMUM", lambda tf, x, y: tf.maximum(x, y), TWO),
    "minimum": Case("MINIMUM", lambda tf, x, y: tf.minimum(x, y), TWO),
    "squared difference": Case("SQUARED_DIFFERENCE", lambda tf, x, y: tf.math.squared_difference(x, y), TWO, steps=1),
    "pow": Case("POW", lambda tf, x, y: tf.pow(tf.abs(x), y), TWO, quantizes=False),
    "relu": Case("RELU", lambda tf, x: tf.nn.relu(x)),
    "relu6": Case("RELU6", lambda tf, x: tf.nn.relu6(x), quantizes=False),
    "relu n1": Case("RELU_N1_TO_1", lambda tf, x: tf.maximum(tf.minimum(x, 1.0), -1.0), quantizes=False),
    "leaky relu": Case("LEAKY_RELU", lambda tf, x: tf.nn.leaky_relu(x, 0.1)),
    "prelu": Case("PRELU", lambda tf, x: tf.nn.relu(x) + constant(1, 1, 8) * tf.nn.relu(-x), steps=1),
    "elu": Case("ELU", lambda tf, x: tf.nn.elu(x)),
    "hard swish": Case("HARD_SWISH", lambda tf, x: x * tf.nn.relu6(x + 3.0) * (1 / 6)),
    "logistic": Case("LOGISTIC", lambda tf, x: tf.sigmoid(x)),
    "tanh": Case("TANH", lambda tf, x: tf.tanh(x)),
    "softmax": Case("SOFTMAX", lambda tf, x: tf.nn.softmax(x), ((200, 10),)),
    "softmax of channels": Case("SOFTMAX", lambda tf, x: tf.nn.softmax(pooled(tf, x))),
    "log softmax": Case("LOG_SOFTMAX", lambda tf, x: tf.nn.log_softmax(x), ((200, 10),)),
    "gelu": Case("GELU", lambda tf, x: tf.nn.gelu(x)),
    "gelu tanh": Case("GELU", lambda tf, x: tf.nn.gelu(x, approximate=True), quantizes=False),
    "exp": Case("EXP", lambda tf, x: tf.exp(x)),
    "log": Case("LOG", lambda tf, x: tf.math.log(tf.abs(x) + 0.1), quantizes=False),
    "sqrt": Case("SQRT", lambda tf, x: tf.sqrt(tf.abs(x)), quantizes=False),
    "rsqrt": Case("RSQRT", lambda tf, x: tf.math.rsqrt(tf.abs(x) + 0.5), steps=1),
    "square": Case("SQUARE", lambda tf, x: tf.square(x)),
    "abs": Case("ABS", lambda tf, x: tf.abs(x)),
    "neg": Case("NEG", lambda tf, x: tf.negative(x)),
    "floor": Case("FLOOR", lambda tf, x: tf.floor(x), quantizes=False),
    "ceil": Case("CEIL", lambda tf, x: tf.math.ceil(x), quantizes=False),
    "sign": Case("SIGN", lambda tf, x: tf.sign(x), quantizes=False),
    "sin": Case("SIN", lambda tf, x: tf.sin(x), quantizes=False),
    "cos": Case("COS", lambda tf, x: tf.cos(x), quantizes=False),
    "average pool": Case("AVERAGE_POOL_2D", lambda tf, x: tf.nn.avg_pool2d(x, 2, 2, "VALID")),
    "average pool same": Case("AVERAGE_POOL_2D", lambda tf, x: tf.nn.avg_pool2d(x, 3, 2, "SAME")),
    "max pool": Case("MAX_POOL_2D", lambda tf, x: tf.nn.max_pool2d(x, 3, 2, "SAME")),
    "mean": Case("MEAN", lambda tf, x: tf.reduce_mean(x, [1, 2])),
    "mean kept": Case("MEAN", lambda tf, x: tf.reduce_mean(x, [1, 2], keepdims=True)),
    "mean after pool": Case("MEAN", lambda tf, x: tf.reduce_mean(pooled(tf, x), [1])),
    "sum": Case("SUM", lambda tf, x: tf.reduce_sum(x, [3]), quantizes=False),
    "reduce max": Case("REDUCE_MAX", lambda tf, x: tf.reduce_max(x, [1, 2])),
    "reduce min": Case("REDUCE_MIN", lambda tf, x: tf.reduce_min(pooled(tf, x), [3])),
    "reshape": Case("RESHAPE", lambda tf, x: tf.reshape(pooled(tf, x), (1, 15, 16))),
    "concatenation": Case("CONCATENATION", lambda tf, x, y: tf.concat([x, y], 3), TWO),
    "concatenation after pool": Case(
        "CONCATENATION", lambda tf, x, y: tf.concat([tf.nn.max_pool2d(x, 3, 1, "SAME"), y * 0.3], 3), TWO
    ),
    "pad": Case("PAD", lambda tf, x: tf.pad(x, [[0, 0], [1, 2], [0, 1], [0, 3]])),
    "pad after pool": Case("PAD", lambda tf, x: tf.pad(pooled(tf, x), [[0, 0], [1, 2], [0, 1], [0, 3]])),
    "pad with ones": Case("PADV2", lambda tf, x: tf.pad(x, [[0, 0], [1, 0], [0, 1], [0, 0]], constant_values=1.0)),
    "reflect": Case("MIRROR_PAD", lambda tf, x: tf.pad(x, [[0, 0], [1, 2], [2, 1], [0, 0]], "REFLECT")),
    "reversed": Case("REVERSE_V2", lambda tf, x: tf.reverse(x, [1])),
    "reversed after a window": Case("REVERSE_V2", lambda tf, x: tf.reverse(pooled(tf, x), [-1, 2])),
    "any": Case("REDUCE_ANY", lambda tf, x: some(tf, x, tf.reduce_any), quantizes=False),
    "all": Case("REDUCE_ALL", lambda tf, x: some(tf, x, tf.reduce_all), quantizes=False),
    "tiled": Case("TILE", lambda tf, x: tf.tile(x, [1, 2, 1, 3])),
    "tiled after a window": Case("TILE", lambda tf, x: tf.tile(pooled(tf, x), [1, 1, 2, 2])),
    "symmetric": Case("MIRROR_PAD", lambda tf, x: tf.pad(pooled(tf, x), [[0, 0], [3, 1], [2, 0], [0, 0]], "SYMMETRIC")),
    "transpose": Case("TRANSPOSE", lambda tf, x: tf.transpose(x, [0, 2, 1, 3])),
    "to nchw": Case("TRANSPOSE", lambda tf, x: tf.transpose(pooled(tf, x), [0, 3, 1, 2])),
    "from nchw": Case("TRANSPOSE", lambda tf, x: tf.nn.max_pool2d(tf.transpose(x, [0, 2, 3, 1]), 2, 2, "SAME")),
    "strided slice": Case("STRIDED_SLICE", lambda tf, x: x[:, 1:9:2, ::-1, 3]),
    "strided slice backwards": Case("STRIDED_SLICE", lambda tf, x: x[..., tf.newaxis, -2:2:-3]),
    "slice": Case("SLICE", lambda tf, x: tf.slice(pooled(tf, x), [0, 1, 2, 3], [1, 4, -1, 2])),
    "split": Case("SPLIT", lambda tf, x: tf.split(pooled(tf, x), 2, 3)),
    "split sizes": Case("SPLIT_V", lambda tf, x: tf.split(x, [3, 5], 3), quantizes=False),
    "pack": Case("PACK", lambda tf, x, y: tf.stack([x, y], 1), ((1, 6), (1, 6))),
    "unpack": Case("UNPACK", lambda tf, x: tf.unstack(x, axis=1), ((1, 6, 4),)),
    "gather": Case("GATHER", lambda tf, x: tf.gather(x, [3, 1], axis=3)),
    "cast": Case("CAST", lambda tf, x: tf.cast(tf.cast(x, tf.int32), tf.float32), quantizes=False),
    "bilinear by 2": Case("RESIZE_BILINEAR", lambda tf, x: bilinear(tf, x, [24, 20])),
    "bilinear half pixels": Case("RESIZE_BILINEAR", lambda tf, x: bilinear(tf, x, [24, 20], half_pixel_centers=True)),
    # LiteRT interpolates with weights of 11 bits, which are exact for powers of two only.
    "bilinear aligned": Case("RESIZE_BILINEAR", lambda tf, x: bilinear(tf, x, [17, 23], align_corners=True), steps=1),
    "nearest": Case("RESIZE_NEAREST_NEIGHBOR", lambda tf, x: nearest(tf, x, [24, 20])),
    "nearest half pixels": Case(
        "RESIZE_NEAREST_NEIGHBOR", lambda tf, x: nearest(tf, x, [25, 17], half_pixel_centers=True)
    ),
    "nearest aligned": Case("RESIZE_NEAREST_NEIGHBOR", lambda tf, x: nearest(tf, x, [23, 19], align_corners=True)),
    "space to depth": Case("SPACE_TO_DEPTH", lambda tf, x: tf.nn.space_to_depth(x, 2)),
    "depth to space": Case("DEPTH_TO_SPACE", lambda tf, x: tf.nn.depth_to_space(x, 2)),
    "arg max": Case("ARG_MAX", lambda tf, x: tf.argmax(x, 3, output_type=tf.int32)),
    "arg max long": Case("ARG_MAX", lambda tf, x: tf.argmax(x, 1), quantizes=False),
}


def convert(case: Case, *, quantized: bool) -> bytes:
    """As TensorFlow's converter does it; calibrated on normal numbers."""
    tf = load_tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = tf.function(lambda *inputs: case.function(tf, *inputs), autograph=False)
    specs = [tf.TensorSpec(shape, tf.float32, name=f"in{position}") for position, shape in enumerate(case.shapes)]
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(*specs), lower_control_flow=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    if quantized:
        random = np.random.default_rng(0)
        batches = [[random.normal(size=shape).astype(np.float32) for shape in case.shapes] for _ in range(8)]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: batches
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def assert_float_agrees(tflite: bytes, shapes: Sequence[tuple[int, ...]]) -> None:
    """LiteRT's results and those of ONNX Runtime, whatever it optimizes."""
    content = emit_onnx(tflite)
    checked(tflite)
    random = np.random.default_rng(1)
    inputs = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    wanted = run_litert(tflite, *inputs)
    for level in LEVELS:
        for expected, actual in zip(wanted, run_onnx(content, *inputs, level=level), strict=True):
            assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
            # Sums of at most 960 products in another order, or other polynomials for exp and its like: 2^-24 for each
            # addition and a few ulp, of the largest number.
            largest = max(1.0, float(np.abs(expected).max()))
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1000 * 2.0**-24 * largest, err_msg=level)


def assert_int8_agrees(tflite: bytes, shapes: Sequence[tuple[int, ...]], *, steps: int) -> None:
    """The same with codes; where ONNX Runtime sums in float32, one within 2^-17 of a half may go the other way."""
    content = emit_onnx(tflite)
    checked(tflite)
    sessions = {level: start_session(content, level=level) for level in LEVELS}
    sessions["without VNNI"] = start_session(content, without_vnni=True)
    names = [each.name for each in sessions["full"].get_inputs()]
    random = np.random.default_rng(2)
    for _ in range(20):
        inputs = [random.integers(-128, 128, shape).astype(np.int8) for shape in shapes]
        wanted = run_litert(tflite, *inputs)
        for level, session in sessions.items():
            allowed = max(steps, 1) if level in ("off", "basic") else steps
            for expected, actual in zip(wanted, session.run(None, dict(zip(names, inputs, strict=True))), strict=True):
                assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
                difference = np.abs(actual.astype(int) - expected.astype(int))
                assert difference.max() <= allowed, level
                assert (difference > 0).mean() <= 0.03


@pytest.mark.parametrize("name", CASES)
def test_float(name: str) -> None:
    case = CASES[name]
    tflite = convert(case, quantized=False)
    assert case.kind in {operator.kind for operator in parse_graph(tflite).operators}
    assert_float_agrees(tflite, case.shapes)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.quantizes])
def test_int8(name: str) -> None:
    case = CASES[name]
    assert_int8_agrees(convert(case, quantized=True), case.shapes, steps=case.steps)


def test_every_operator_is_tried() -> None:
    # DENSIFY, DEQUANTIZE, SHAPE and RELU_0_TO_1 are in the emitter's tests, QUANTIZE in those of the roundings; the
    # converter writes SQUEEZE and EXPAND_DIMS as RESHAPE, which emits them too; choices have their own.
    elsewhere = {"DENSIFY", "DEQUANTIZE", "SHAPE", "QUANTIZE", "RELU_0_TO_1", "SQUEEZE", "EXPAND_DIMS"}
    choices = {*CONDITIONS, "SELECT", "SELECT_V2"}
    assert {case.kind for case in CASES.values()} | elsewhere | choices == set(OPERATORS)
