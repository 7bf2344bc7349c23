"""Files with Larq Compute Engine's operators as ONNX files that give the same bits."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.convert.onnx.emit_test import checked, kinds
from edgecompress.errors import ConversionError, EdgeCompressError
from edgecompress.formats.tflite.file_test import mutated
from edgecompress.numerics.binary import affine
from edgecompress.testing.binary_files import (
    OPTIONS,
    SAME,
    VALID,
    BinaryModel,
    bits_of,
    convolved,
    network,
    signs,
    words,
)
from edgecompress.testing.onnx_sessions import run_onnx
from edgecompress.testing.tflite_files import options

RELU, TANH = 1, 4


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    "how", [{}, {"zeros": True, "relu": True}, {"batch": 3}, {"free": True}], ids=["ones", "zeros", "batch", "free"]
)
def test_every_operator(tmp_path: Path, how: dict[str, Any]) -> None:
    path, expected = network(tmp_path, **how)
    content = path.read_bytes()
    model = checked(content)
    assert {node.op_type for node in model.graph.node if node.domain == "edgecompress"} == {
        "BinaryQuantize", "BinaryConv2d", "BinaryConv2dBits", "BinaryMaxPool", "BinaryDequantize"
    }  # fmt: skip
    image = numbers(how.get("batch", 1), 13, 11, 3, seed=4)
    for actual, wanted in zip(run_onnx(emit_onnx(content), image), expected(image), strict=True):
        np.testing.assert_array_equal(actual, wanted)


def test_weights_stay_bits(tmp_path: Path) -> None:
    path, _ = network(tmp_path)
    model = checked(path.read_bytes())
    packed = {tuple(each.dims) for each in model.graph.initializer if each.data_type == onnx.TensorProto.UINT8}
    assert packed == {(40, 3, 3, 1), (70, 3, 2, 5), (10, 1, 1, 9)}  # no byte more than the channels need
    assert max(len(each.raw_data) for each in model.graph.initializer) == 70 * 3 * 2 * 5


def test_only_functions_that_are_called_are_carried() -> None:
    model = BinaryModel()
    x = model.input(4, 4, 8)
    model.dequantize(model.quantize(x), 8)
    emitted = checked(model.pack())
    assert [each.name for each in emitted.functions] == ["BinaryDequantize", "BinaryQuantize"]
    image = numbers(1, 4, 4, 8)
    np.testing.assert_array_equal(run_onnx(emitted.SerializeToString(), image)[0], np.where(image < 0, -1, 1))


@pytest.mark.parametrize("seed", range(20))
def test_convolutions(seed: int) -> None:
    generator = np.random.default_rng(seed)
    channels, outputs = int(generator.integers(1, 100)), int(generator.integers(1, 50))
    kernel = signs(generator, outputs, *generator.integers(1, 4, 2).tolist(), channels)
    how = {
        "stride_height": int(generator.integers(1, 3)), "stride_width": int(generator.integers(1, 3)),
        "dilation_height_factor": int(generator.integers(1, 3)), "dilation_width_factor": int(generator.integers(1, 3)),
        "padding": int(generator.choice([SAME, VALID])),
    }  # fmt: skip
    floats = how | {
        "pad_values": int(generator.integers(2)),
        "fused_activation_function": int(generator.choice([0, RELU])),
    }
    scales = {"multiplier": numbers(outputs, seed=seed), "bias": numbers(outputs, seed=seed + 1)}
    thresholds = generator.integers(0, kernel[0].size + 1, outputs).astype(np.int32)
    model = BinaryModel()
    x = model.input(9, 10, channels)
    bits = model.quantize(x)
    first = model.convolution(bits, kernel, **scales, **floats)
    second = model.dequantize(model.convolution(bits, kernel, thresholds=thresholds, **how), outputs)
    image = numbers(1, 9, 10, channels, seed=seed)
    actual = run_onnx(emit_onnx(model.pack(outputs=[first, second])), image)
    np.testing.assert_array_equal(actual[0], convolved(bits_of(image), kernel, **scales, **floats))
    np.testing.assert_array_equal(bits_of(actual[1]), convolved(bits_of(image), kernel, thresholds=thresholds, **how))


def reshaped(model: BinaryModel, x: int, shape: list[int]) -> int:
    output = model.builtin("RESHAPE", [x], shape, options("ReshapeOptions", newShape=shape))
    model.tensors[output] = model.tensors[output].__class__(shape, model.tensors[x].dtype, name=f"shaped{output}")
    return output


@pytest.mark.parametrize(("image", "joins"), [((100,), False), ((3, 2, 64), True), ((3, 2, 20), False)])
def test_dense(image: tuple[int, ...], joins: bool) -> None:
    """A dense layer is a convolution of one pixel: of a row of numbers, or of an image laid out flat."""
    generator = np.random.default_rng(2)
    model = BinaryModel()
    x = model.input(*image)
    bits = model.quantize(x)
    if joins:
        bits = reshaped(model, bits, [1, 1, 1, words(image[-1]) * 6])
    elif len(image) == 1:
        bits = reshaped(model, bits, [1, 1, 1, words(image[-1])])
    size = int(np.prod(image)) if joins else image[-1]
    kernel = signs(generator, 7, 1, 1, size)
    scales = {"multiplier": numbers(7), "bias": numbers(7, seed=1)}
    y = model.convolution(bits, kernel, **scales, padding=VALID)
    reshaped(model, y, [model.tensors[y].shape[1] * model.tensors[y].shape[2], 7])
    batch = numbers(1, *image, seed=9)
    rows = np.where(batch.reshape(-1, size) < 0, -1, 1)
    wanted = affine(rows @ kernel.reshape(7, size).T.astype(int), scales["multiplier"], scales["bias"])
    np.testing.assert_array_equal(run_onnx(checked(model.pack()).SerializeToString(), batch)[0], wanted)


def test_weights_of_a_convolution_in_floats() -> None:
    """The file keeps them as bits, and ONNX Runtime unpacks them once."""
    kernel = signs(np.random.default_rng(0), 16, 3, 3, 20)
    model = BinaryModel()
    x = model.input(8, 8, 20)
    packed = model.tensor(bits_of(kernel).shape, "INT32", data=bits_of(kernel))
    table = options("Conv2DOptions", padding=SAME, strideW=1, strideH=1, dilationHFactor=1, dilationWFactor=1)
    unpacked = model.dequantize(packed, 20)
    model.builtin("CONV_2D", [x, unpacked, model.tensor([16], data=np.zeros(16, np.float32))], [1, 8, 8, 16], table)
    emitted = checked(model.pack())
    assert [each.dims[:] for each in emitted.graph.initializer if len(each.dims) == 4] == [[16, 3, 3, 3]]
    image = np.where(numbers(1, 8, 8, 20) < 0, -1, 1).astype(np.float32)  # sums of signs are exact in any order
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    wanted = np.einsum("nyxchw,ohwc->nyxo", windows, kernel)
    np.testing.assert_array_equal(run_onnx(emitted.SerializeToString(), image)[0], wanted)


KERNEL = signs(np.random.default_rng(1), 8, 3, 3, 40)
SCALES = {"multiplier": np.ones(8, np.float32), "bias": np.zeros(8, np.float32)}
THRESHOLDS = np.zeros(8, np.int32)


REFUSALS: dict[str, tuple[Callable[[BinaryModel, int], Any], str]] = {
    "bits as output": (lambda m, x: m.quantize(x), "is bits, not numbers"),
    "numbers into a convolution": (lambda m, x: m.convolution(x, KERNEL, **SCALES), "not made by a binary operator"),
    "bits into a plain operator": (
        lambda m, x: m.builtin("ABS", [m.quantize(x)], [1, 6, 6, 2], None), "it reads bits"
    ),
    "joined pixels that end within a word": (
        lambda m, x: reshaped(m, m.quantize(x), [1, 1, 1, 72]), "joins pixels of 40 bits"
    ),
    "other channels": (
        lambda m, x: m.convolution(m.quantize(x), KERNEL, **SCALES, channels_in=41), "40 channels .* expects 41"
    ),
    "more channels than the kernel": (
        lambda m, x: m.convolution(m.quantize(x), KERNEL, **SCALES, channels_in=2**30), "for 1073741824 channels"
    ),
    "no thresholds": (
        lambda m, x: m.operator(
            "LceBconv2d", [m.quantize(x), m.tensor([8, 1, 1, 2], "INT32", data=bits_of(KERNEL[:, :1, :1])), -1, -1, -1],
            [1, 6, 6, 1], "INT32", **OPTIONS, channels_in=40
        ),
        "it has no thresholds",
    ),
    "too few thresholds": (
        lambda m, x: m.convolution(m.quantize(x), KERNEL, thresholds=THRESHOLDS[:-1]),
        r"its thresholds are int32 of shape \(7,\) for 8 channels",
    ),
    "zeros around bits": (
        lambda m, x: m.convolution(m.quantize(x), KERNEL, thresholds=THRESHOLDS, pad_values=0), "padding with 0"
    ),
    "another activation": (
        lambda m, x: m.convolution(m.quantize(x), KERNEL, **SCALES, fused_activation_function=TANH), "TANH"
    ),
    "no stride": (lambda m, x: m.max_pool(m.quantize(x), (2, 0), (1, 1), VALID), "its window is"),
    "an operator of another's": (lambda m, x: m.operator("Mystery", [x], [1, 6], "FLOAT32"), "the custom operator Mys"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals(name: str) -> None:
    build, reason = REFUSALS[name]
    model = BinaryModel()
    build(model, model.input(6, 6, 40))
    with pytest.raises(ConversionError) as raised:
        emit_onnx(model.pack())
    assert re.search(reason, raised.value.message)


def test_codes_are_signed_around_their_zero_point() -> None:
    model = BinaryModel()
    x = model.input(2, 3, 8)
    codes = model.builtin("QUANTIZE", [x], [1, 2, 3, 8], None)
    model.tensors[codes] = model.tensors[codes].__class__([1, 2, 3, 8], "INT8", scale=0.5, zero_point=3)
    model.dequantize(model.quantize(codes), 8)
    image = numbers(1, 2, 3, 8)
    image[np.abs(image) < 0.25] = 0  # those that round to the zero point
    wanted = np.where(image < 0, -1, 1)
    np.testing.assert_array_equal(run_onnx(checked(model.pack()).SerializeToString(), image)[0], wanted)


def test_nothing_is_carried_without_binary_operators() -> None:
    model = BinaryModel()
    x = model.input(4, 4, 8)
    model.builtin("ABS", [x], [1, 4, 4, 8], None)
    emitted = checked(model.pack())
    assert kinds(emitted) == ["Abs"]
    assert not emitted.functions
    assert [each.domain for each in emitted.opset_import] == [""]


def test_damaged_files_are_emitted_or_refused(tmp_path: Path) -> None:
    path, _ = network(tmp_path)
    content, chance, emitted = path.read_bytes(), random.Random(6), 0
    for _ in range(1500):
        try:
            emit_onnx(mutated(content, chance))
        except EdgeCompressError:
            continue
        emitted += 1
    assert emitted > 100  # so that both are tried
