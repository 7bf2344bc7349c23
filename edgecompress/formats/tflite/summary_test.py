from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecompress.errors import ModelFileError
from edgecompress.formats.summary import LayerSummary
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.formats.tflite.file_test import published_files
from edgecompress.formats.tflite.summary import read_tflite, summarize
from edgecompress.testing.binary_files import VALID, BinaryModel, bits_of, signs
from edgecompress.testing.tflite_files import T, build, options


def layer_of(tensors: list[T], kind: str, inputs: list[int], table: object) -> LayerSummary:
    (layer,) = summarize([parse_graph(build(tensors, [(kind, inputs, [len(tensors) - 1], table)]))]).layers
    return layer


def float_zeros(*shape: int) -> T:
    return T(shape, data=np.zeros(shape, np.float32))


def test_a_convolution_is_counted_by_hand() -> None:
    # 5 x 5 outputs of 4 channels, each of 3 x 3 x 8 products; 4 * 3 * 3 * 8 weights and 4 biases.
    kernel = np.ones((4, 3, 3, 8), np.int8)
    kernel[0, 0] = 0
    tensors = [
        T([1, 5, 5, 8], "INT8", scale=1.0),
        T(kernel.shape, "INT8", data=kernel, scale=[1, 2, 3, 4], zero_point=[0] * 4),
        T([4], "INT32", data=np.zeros(4, np.int32)),
        T([1, 5, 5, 4], "INT8", "conv", scale=1.0),
    ]
    layer = layer_of(tensors, "CONV_2D", [0, 1, 2], options("Conv2DOptions", strideH=1, strideW=1))
    assert layer == LayerSummary(
        name="conv",
        kind="CONV_2D",
        output_shape=(1, 5, 5, 4),
        parameters=4 * 3 * 3 * 8 + 4,
        multiply_adds=5 * 5 * 4 * 3 * 3 * 8,
        weight_bits=8,
        weights=288,
        zero_weights=3 * 8,
    )


def test_the_zero_of_a_kernel_is_its_zero_point() -> None:
    kernel = T([2, 3], "UINT8", data=np.array([[7, 0, 7], [1, 2, 3]], np.uint8), scale=1.0, zero_point=7)
    layer = layer_of(
        [T([1, 3], "UINT8", scale=1.0), kernel, T([1, 2], "UINT8", scale=1.0)], "FULLY_CONNECTED", [0, 1, -1], None
    )
    assert (layer.parameters, layer.zero_weights, layer.multiply_adds) == (6, 2, 6)


def test_other_products_are_counted_by_hand() -> None:
    depthwise = [T([1, 6, 6, 4]), float_zeros(1, 3, 3, 8), float_zeros(8), T([1, 6, 6, 8])]
    layer = layer_of(depthwise, "DEPTHWISE_CONV_2D", [0, 1, 2], options("DepthwiseConv2DOptions", depthMultiplier=2))
    assert (layer.parameters, layer.multiply_adds, layer.weight_bits) == (80, 6 * 6 * 8 * 9, 32)

    shape = T([4], "INT32", data=np.array([1, 8, 8, 5], np.int32))
    transposed = [T([1, 4, 4, 3]), shape, float_zeros(5, 2, 2, 3), T([1, 8, 8, 5])]
    layer = layer_of(transposed, "TRANSPOSE_CONV", [1, 2, 0], options("TransposeConvOptions", strideH=2, strideW=2))
    assert layer.multiply_adds == 4 * 4 * 3 * 5 * 2 * 2

    product = [T([1, 6, 8]), T([1, 8, 5], data=np.zeros(40, np.float32)), T([1, 6, 5])]
    assert layer_of(product, "BATCH_MATMUL", [0, 1], options("BatchMatMulOptions")).multiply_adds == 6 * 8 * 5


def test_binary_operators_are_counted_by_hand() -> None:
    # 2 x 4 outputs of 7 channels from 3 x 2 kernels over 40 channels, which take 2 words
    generator = np.random.default_rng(0)
    model = BinaryModel()
    bits = model.quantize(model.input(4, 5, 40))
    kernel = signs(generator, 7, 3, 2, 40)
    scales = {"multiplier": np.ones(7, np.float32), "bias": np.zeros(7, np.float32)}
    real = model.convolution(bits, kernel, **scales, padding=VALID)
    joined = model.convolution(bits, kernel, thresholds=np.zeros(7, np.int32), padding=VALID)
    packed = model.tensor([3, 2], "INT32", data=bits_of(signs(generator, 3, 40)))
    unpacked = model.dequantize(packed, 40)
    layers = summarize([parse_graph(model.pack(outputs=[real, joined, unpacked]))]).layers
    assert [
        (layer.kind, layer.parameters, layer.multiply_adds, layer.weight_bits, layer.weights) for layer in layers
    ] == [
        ("LceQuantize", 0, 0, None, 0),
        ("LceBconv2d", 7 * 6 * 40 + 14, 2 * 4 * 7 * 6 * 40, 1, 7 * 6 * 40),
        ("LceBconv2d", 7 * 6 * 40 + 7, 2 * 4 * 7 * 6 * 40, 1, 7 * 6 * 40),
        ("LceDequantize", 3 * 40, 0, 1, 3 * 40),
    ]
    assert not any(layer.zero_weights for layer in layers)


def test_a_shared_constant_counts_once() -> None:
    tensors = [T([1, 3]), float_zeros(3, 3), T([1, 3]), T([1, 3])]
    operators = [("FULLY_CONNECTED", [0, 1, -1], [2], None), ("FULLY_CONNECTED", [2, 1, -1], [3], None)]
    summary = summarize([parse_graph(build(tensors, operators))])
    assert (summary.parameters, summary.multiply_adds) == (9, 18)


def test_operators_without_a_kernel_have_no_bits() -> None:
    layer = layer_of([T([1, 4]), float_zeros(1, 4), T([1, 4])], "ADD", [0, 1], options("AddOptions"))
    assert (layer.parameters, layer.multiply_adds, layer.weight_bits, layer.weights) == (0, 0, None, 0)


@pytest.mark.parametrize(("stem", "bits"), [("face_detection_back", 16), ("face_landmark", 32)])
def test_a_published_file(stem: str, bits: int) -> None:
    path = next(path for path in published_files() if path.stem == stem)
    summary = read_tflite(path)
    assert summary.format == "tflite"
    assert [spec.dtype for spec in summary.inputs] == ["float32"]
    assert {layer.weight_bits for layer in summary.layers if layer.kind == "CONV_2D"} == {bits}
    # Nearly all of such a file is parameters; the rest are tables and names.
    assert 0.6 * path.stat().st_size < summary.parameters * bits / 8 < path.stat().st_size


def test_a_sparse_file_has_the_zeros_that_it_leaves_out() -> None:
    path = next(path for path in published_files() if "sparse" in path.name)
    summary = read_tflite(path)
    kernels = [layer for layer in summary.layers if layer.kind == "CONV_2D"]
    assert sum(layer.zero_weights for layer in kernels) > 0.5 * sum(layer.weights for layer in kernels)
    assert summary.metadata["min_runtime_version"] == "2.2.0"


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.tflite").write_bytes(b"not a model")
    with pytest.raises(ModelFileError, match=r"broken\.tflite is not a TFLite file"):
        read_tflite(tmp_path / "broken.tflite")
