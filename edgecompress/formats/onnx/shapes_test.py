"""Files that call edgecompress's binary functions: what is shown of them, and the shapes that are found behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.convert.onnx.functions import DOMAIN, function
from edgecompress.formats.onnx.operators import BINARY_DOMAIN, BINARY_FUNCTIONS
from edgecompress.formats.onnx.summary import summarize
from edgecompress.formats.onnx.summary_test import floats, only, read
from edgecompress.formats.tflite.summary import read_tflite
from edgecompress.testing.binary_files import network


def binary(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], name=output, domain=DOMAIN, **attributes)


def byte_zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.uint8)


@pytest.mark.parametrize("batch", [1, "N"])
def test_a_call_of_a_binary_function_is_one_layer(batch: int | str) -> None:
    window = {"strides": [1, 1], "dilations": [1, 1]}
    nodes = [
        binary("BinaryQuantize", ["x"], "bits"),
        binary("BinaryConv2dBits", ["bits", "w", "t"], "c1", channels=12, pads=[1] * 4, pad_value=1, **window),
        binary("BinaryMaxPool", ["c1"], "p", kernel_shape=[2, 2], pads=[0] * 4, strides=[2, 2]),
        binary("BinaryConv2d", ["p", "v", "m", "b"], "c2", channels=20, pads=[0] * 4, pad_value=0, relu=1, **window),
        helper.make_node("Transpose", ["c2"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["last", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "k"], ["y"], name="dense"),
    ]
    arrays = {
        "w": byte_zeros(20, 3, 3, 2), "t": np.zeros(20, np.int32), "v": byte_zeros(7, 2, 2, 3), "m": floats(7),
        "b": floats(7), "shape": np.array([-1, 7 * 2 * 3], np.int64), "k": floats(42, 5),
    }  # fmt: skip
    functions = [function(name, 20) for name in BINARY_FUNCTIONS[:4]]
    found = read(nodes, {"x": [batch, 12, 6, 8]}, {"y": [batch, 5]}, arrays, functions=functions)
    free = -1 if batch == "N" else 1
    assert [(layer.kind, layer.output_shape) for layer in found.layers] == [
        ("edgecompress.BinaryQuantize", (free, 6, 8, 2)), ("edgecompress.BinaryConv2dBits", (free, 6, 8, 3)),
        ("edgecompress.BinaryMaxPool", (free, 3, 4, 3)), ("edgecompress.BinaryConv2d", (free, 7, 2, 3)),
        ("Transpose", (free, 2, 3, 7)), ("Reshape", (free, 42)), ("MatMul", (free, 5)),
    ]  # fmt: skip
    assert [(each.parameters, each.multiply_adds, each.weight_bits, each.weights) for each in found.layers] == [
        (0, 0, None, 0), (20 * 9 * 12 + 20, 6 * 8 * 20 * 9 * 12, 1, 20 * 9 * 12), (0, 0, None, 0),
        (7 * 4 * 20 + 14, 2 * 3 * 7 * 4 * 20, 1, 7 * 4 * 20), (0, 0, None, 0), (0, 0, None, 0), (210, 210, 32, 210),
    ]  # fmt: skip
    assert not sum(layer.zero_weights for layer in found.layers)


def test_kernels_of_bits_before_float_arithmetic() -> None:
    nodes = [
        binary("BinaryDequantize", ["w"], "signs", channels=12),
        helper.make_node("Transpose", ["signs"], ["kernel"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["x", "kernel"], ["y"]),
    ]
    functions = [function("BinaryDequantize", 20)]
    found = read(nodes, {"x": [1, 12, 6, 8]}, {"y": None}, {"w": byte_zeros(20, 3, 3, 2)}, functions=functions)
    dequantize, conv = only(found, "edgecompress.BinaryDequantize"), only(found, "Conv")
    assert (dequantize.weights, dequantize.weight_bits, dequantize.output_shape) == (2160, 1, (20, 3, 3, 12))
    assert (conv.multiply_adds, conv.output_shape) == (4 * 6 * 2160, (1, 20, 4, 6))


@pytest.mark.parametrize("channels", [-1, 0, 17, 2**62])
def test_channels_that_the_bytes_do_not_hold(channels: int) -> None:
    node = binary(
        "BinaryConv2d", ["bits", "w"], "y", channels=channels, pads=[2**62] * 4, strides=[0, 1], dilations=[1]
    )
    found = read([node], {"bits": [1, 4, 4, 2]}, {"y": None}, {"w": byte_zeros(3, 1, 1, 2)})
    assert found.layers[0].weights in (0, 3 * 16) and found.layers[0].multiply_adds == 0


def test_other_functions_are_opened() -> None:
    inner = [helper.make_node("Relu", ["x"], ["a"]), helper.make_node("BinaryQuantize", ["a"], ["y"], domain=DOMAIN)]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid(DOMAIN, 1)]
    mine = helper.make_function("mine", "F", ["x"], ["y"], inner, opsets)
    functions = [mine, function("BinaryQuantize", 20)]
    found = read([helper.make_node("F", ["x"], ["y"], domain="mine")], {"x": [1, 9]}, {"y": None}, functions=functions)
    assert [layer.kind for layer in found.layers] == ["Relu", "edgecompress.BinaryQuantize"]


def test_both_formats_count_a_binary_network_alike(tmp_path: Path) -> None:
    path, _ = network(tmp_path)
    tflite, onnx_file = read_tflite(path), summarize(emit_onnx(path.read_bytes()), tmp_path)
    for summary in (tflite, onnx_file):
        assert sum(layer.weight_bits == 1 for layer in summary.layers) == 3
    assert (tflite.parameters, tflite.multiply_adds) == (onnx_file.parameters, onnx_file.multiply_adds)
    assert tflite.multiply_adds > 0


def test_the_functions_are_those_that_files_carry() -> None:
    assert BINARY_DOMAIN == DOMAIN
    assert all(function(name, 20).domain == BINARY_DOMAIN for name in BINARY_FUNCTIONS)
