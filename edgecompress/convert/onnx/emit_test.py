"""Emitted graphs: their form, their refusals, and real files that others made."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.errors import ConversionError, EdgeCompressError, ModelFileError, UnsupportedModelError
from edgecompress.formats.tflite.file_test import mutated, published_files
from edgecompress.testing.onnx_sessions import run_onnx
from edgecompress.testing.tflite_files import T, build, model_table, options, pack, run_litert

RELU6 = 3
SAME = 0


def checked(tflite: bytes, **metadata: str) -> onnx.ModelProto:
    model = onnx.load_from_string(emit_onnx(tflite, metadata=metadata))
    onnx.checker.check_model(model, full_check=True)
    return model


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def random_array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def convolutions(quantized: bool = False, activation: int = 0, scale: float = 0.05) -> bytes:
    """Conv 3x3 stride 2, depthwise 3x3, max pool, conv 1x1; and the outputs of the first and the last."""

    def activation_tensor(shape: list[int], name: str) -> T:
        return T(shape, "INT8", name, scale=scale, zero_point=-128) if quantized else T(shape, name=name)

    def kernel(*shape: int) -> T:
        array = random_array(*shape)
        if not quantized:
            return T(shape, data=array)
        codes = np.clip(np.rint(array / 0.02), -127, 127).astype(np.int8)
        axis = 3 if shape[0] == 1 else 0
        return T(shape, "INT8", data=codes, scale=[0.004] * shape[axis], zero_point=[0] * shape[axis], axis=axis)

    def bias(size: int) -> T:
        if not quantized:
            return T([size], data=random_array(size))
        return T(
            [size], "INT32", data=np.arange(size, dtype=np.int32), scale=[scale * 0.004] * size, zero_point=[0] * size
        )

    tensors = [
        activation_tensor([1, 8, 8, 3], "serving_default_input:0"),
        *(kernel(4, 3, 3, 3), bias(4), activation_tensor([1, 4, 4, 4], "first;merged")),
        *(kernel(1, 3, 3, 4), bias(4), activation_tensor([1, 4, 4, 4], "depthwise")),
        activation_tensor([1, 2, 2, 4], "pooled"),
        *(kernel(5, 1, 1, 4), bias(5), activation_tensor([1, 2, 2, 5], "StatefulPartitionedCall:0")),
    ]
    window = {"padding": SAME, "strideH": 1, "strideW": 1, "fusedActivationFunction": activation}
    pool = options("Pool2DOptions", padding=SAME, strideH=2, strideW=2, filterHeight=2, filterWidth=2)
    operators = [
        ("CONV_2D", [0, 1, 2], [3], options("Conv2DOptions", **{**window, "strideH": 2, "strideW": 2})),
        ("DEPTHWISE_CONV_2D", [3, 4, 5], [6], options("DepthwiseConv2DOptions", **window)),
        ("MAX_POOL_2D", [6], [7], pool),
        ("CONV_2D", [7, 8, 9], [10], options("Conv2DOptions", **window)),
    ]
    return build(tensors, operators, outputs=[3, 10])


def test_one_transpose_leads_into_a_chain_of_convolutions_and_one_out_of_it() -> None:
    model = checked(convolutions())
    # One for the input, and one for each of the two outputs.
    assert kinds(model) == ["Transpose", "Conv", "Conv", "MaxPool", "Conv", "Transpose", "Transpose"]
    assert [entry.name for entry in model.graph.input] == ["serving_default_input_0"]
    assert [entry.name for entry in model.graph.output] == ["first_merged", "StatefulPartitionedCall_0"]
    shapes = [
        [d.dim_value for d in entry.type.tensor_type.shape.dim] for entry in (*model.graph.input, *model.graph.output)
    ]
    assert shapes == [[1, 8, 8, 3], [1, 4, 4, 4], [1, 2, 2, 5]]


def test_float_results_agree_with_litert() -> None:
    tflite, image = convolutions(activation=RELU6), random_array(1, 8, 8, 3)
    for expected, actual in zip(run_litert(tflite, image), run_onnx(emit_onnx(tflite), image), strict=True):
        # Sums of at most 27 products of numbers below 30, in another order: 27 * 30 * 2^-24 < 1e-4.
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)


def test_quantized_operators_become_integer_kernels_that_agree_to_the_bit(tmp_path: Path) -> None:
    tflite = convolutions(quantized=True)
    image = np.random.default_rng(0).integers(-128, 128, (1, 8, 8, 3)).astype(np.int8)
    actual = run_onnx(emit_onnx(tflite), image, optimized=tmp_path / "optimized.onnx")
    for left, right in zip(run_litert(tflite, image), actual, strict=True):
        assert len(np.unique(left)) > 5
        np.testing.assert_array_equal(left, right)
    optimized = Counter(kinds(onnx.load(tmp_path / "optimized.onnx")))
    assert optimized["QLinearConv"] == 3 and optimized["NhwcMaxPool"] == 1
    assert optimized["Conv"] == optimized["MaxPool"] == 0


def test_the_kernels_of_older_processors_agree_too(tmp_path: Path) -> None:
    tflite = convolutions(quantized=True)
    image = np.random.default_rng(0).integers(-128, 128, (1, 8, 8, 3)).astype(np.int8)
    actual = run_onnx(emit_onnx(tflite), image, optimized=tmp_path / "optimized.onnx", without_vnni=True)
    np.testing.assert_equal(actual, run_litert(tflite, image))
    assert kinds(onnx.load(tmp_path / "optimized.onnx")).count("QLinearConv") == 3


def test_kernels_stay_int8_and_activations_are_uint8() -> None:
    model = checked(convolutions(quantized=True))
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in (node for node in model.graph.node if node.op_type == "Conv"):
        producers = {name: producer for producer in model.graph.node for name in producer.output}
        source, kernel, bias = (producers[name] for name in node.input)
        assert constants[source.input[2]].data_type == onnx.TensorProto.UINT8
        assert constants[kernel.input[0]].data_type == onnx.TensorProto.INT8
        assert constants[bias.input[0]].data_type == onnx.TensorProto.INT32
        assert (kernel.attribute[0].name, kernel.attribute[0].i) == ("axis", 0)
    types = [entry.type.tensor_type.elem_type for entry in (*model.graph.input, *model.graph.output)]
    assert set(types) == {onnx.TensorProto.INT8}


@pytest.mark.parametrize(("scale", "clips"), [(6 / 255, 0), (0.05, 3)])
def test_a_fused_activation_costs_a_node_only_where_the_codes_go_beyond_it(scale: float, clips: int) -> None:
    tflite = convolutions(quantized=True, activation=RELU6, scale=scale)
    assert kinds(checked(tflite)).count("Clip") == clips
    image = np.random.default_rng(0).integers(-128, 128, (1, 8, 8, 3)).astype(np.int8)
    for left, right in zip(run_litert(tflite, image), run_onnx(emit_onnx(tflite), image), strict=True):
        np.testing.assert_array_equal(left, right)


def test_metadata_is_written_and_the_bytes_are_the_same_each_time() -> None:
    model = checked(convolutions(), labels="cat,dog", origin="a.tflite")
    assert {entry.key: entry.value for entry in model.metadata_props} == {"labels": "cat,dog", "origin": "a.tflite"}
    assert emit_onnx(convolutions()) == emit_onnx(convolutions())
    assert {(entry.domain, entry.version) for entry in model.opset_import} == {("", 20)}


def test_a_file_says_what_sessions_on_older_processors_need() -> None:
    model = checked(convolutions(quantized=True), labels="cat,dog")
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert about == {"labels": "cat,dog", "session.x64quantprecision": "1 on x86 without VNNI"}


def test_an_input_and_a_constant_may_be_outputs_and_an_output_may_be_given_twice() -> None:
    constant = np.array([3, 4], np.float32)
    tensors = [T([1, 2], name="x"), T([2], name="c", data=constant), T([1, 2], name="y"), T([1, 2], name="z")]
    operators = [("ADD", [0, 1], [2], options("AddOptions")), ("RESHAPE", [2], [3], None)]
    tflite = build(tensors, operators, outputs=[0, 1, 2, 2, 3])
    model = checked(tflite)
    assert [entry.name for entry in model.graph.output] == ["x_1", "c", "y", "y_1", "z"]
    results = run_onnx(emit_onnx(tflite), np.array([[1, 2]], np.float32))
    assert [result.ravel().tolist() for result in results] == [[1, 2], [3, 4], [4, 6], [4, 6], [4, 6]]


def test_what_no_output_needs_is_left_out() -> None:
    tensors = [T([1, 2]), T([1, 2]), T([2], "INT32"), T([1, 2])]
    operators = [("EXP", [0], [1], None), ("SHAPE", [1], [2], None), ("RESHAPE", [0, 2], [3], None)]
    model = checked(build(tensors, operators))
    assert kinds(model) == ["Identity"] and not model.graph.initializer


def test_equal_constants_are_kept_once() -> None:
    ones = np.ones(4, np.float32)
    tensors = [T([1, 4]), T([4], data=ones), T([1, 4]), T([4], data=ones), T([1, 4])]
    operators = [("ADD", [0, 1], [2], None), ("MUL", [2, 3], [4], None)]
    assert len(checked(build(tensors, operators)).graph.initializer) == 1


def test_float16_kernels_stay_float16_in_the_file() -> None:
    kernel = random_array(2, 3).astype(np.float16)
    tensors = [T([1, 3]), T([2, 3], "FLOAT16", data=kernel), T([2, 3]), T([1, 2])]
    operators = [("DEQUANTIZE", [1], [2], None), ("FULLY_CONNECTED", [0, 2, -1], [3], None)]
    model = checked(build(tensors, operators))
    assert kinds(model) == ["Cast", "Gemm"]
    assert [tensor.data_type for tensor in model.graph.initializer] == [onnx.TensorProto.FLOAT16]


def test_int8_weights_beside_float_activations_are_dequantized() -> None:
    tensors = [T([1, 3]), T([2, 3], "INT8", data=np.arange(6, dtype=np.int8), scale=0.5), T([1, 2])]
    tflite = build(tensors, [("FULLY_CONNECTED", [0, 1, -1], [2], None)])
    assert kinds(checked(tflite)) == ["DequantizeLinear", "Gemm"]
    (result,) = run_onnx(emit_onnx(tflite), np.array([[1, 10, 100]], np.float32))
    assert result.tolist() == [[0.5 * 210, 0.5 * 543]]  # 0 + 10 + 200, and 3 + 40 + 500


def test_a_constant_of_lower_rank_broadcasts_in_both_layouts() -> None:
    channels = np.array([1, 2, 3], np.float32)
    tensors = [T([1, 2, 2, 3]), T([3], data=channels), *(T([1, 2, 2, 3]) for _ in range(4))]
    pool = options("Pool2DOptions", strideH=1, strideW=1, filterHeight=1, filterWidth=1)
    operators = [
        ("ADD", [0, 1], [2], None),
        ("MAX_POOL_2D", [2], [3], pool),
        ("MUL", [3, 1], [4], None),
        ("SUB", [4, 1], [5], None),
    ]
    image = random_array(1, 2, 2, 3)
    (result,) = run_onnx(emit_onnx(build(tensors, operators)), image)
    np.testing.assert_array_equal(result, (image + channels) * channels - channels)


def test_an_activation_between_zero_and_one() -> None:
    tflite = build([T([1, 3]), T([1, 3])], [("RELU_0_TO_1", [0], [1], None)])
    (result,) = run_onnx(emit_onnx(tflite), np.array([[-1, 0.5, 2]], np.float32))
    assert result.tolist() == [[0, 0.5, 1]]


def test_all_problems_are_told_at_once() -> None:
    tensors = [
        T([1, 2]),
        T([1, 2], name="looked up"),
        T([1, 2], "INT16", "steps", scale=0.1),
        T([1, 2], "INT16", "more steps", scale=0.1),
        T([1, 2], name="signed"),
    ]
    operators = [
        ("HASHTABLE_LOOKUP", [0], [1], None),
        ("RELU", [1], [4], None),
        ("QUANTIZE", [0], [2], None),
        ("ADD", [2, 2], [3], options("AddOptions", fusedActivationFunction=5)),
    ]
    with pytest.raises(ConversionError) as caught:
        emit_onnx(build(tensors, operators, outputs=[4, 3]))
    first, *rest = caught.value.message.splitlines()
    assert first == "3 of the model's 4 operators cannot be emitted as ONNX:"
    assert rest[0] == "  HASHTABLE_LOOKUP 'looked up': it has no ONNX form here"
    assert rest[1].startswith("  QUANTIZE 'steps': 'steps' is int16") and rest[1].endswith("quantize it to int8")
    assert rest[2].startswith("  ADD 'more steps': 'steps' is int16")
    assert "deploy the TFLite file" in caught.value.hint


def test_custom_operators_are_named() -> None:
    model = model_table([T([1]), T([1], name="y")], [("CUSTOM", [0], [1], None)])
    model.operatorCodes[0].customCode = "Convolution2DTransposeBias"
    with pytest.raises(ConversionError, match="CUSTOM 'y': the custom operator Convolution2DTransposeBias"):
        emit_onnx(pack(model))


@pytest.mark.parametrize(
    ("tensors", "operator", "problem"),
    [
        ([T([1, 2]), T([1, 2])], ("ADD", [0, 0], [1], options("AddOptions", fusedActivationFunction=5)), "SIGN_BIT"),
        ([T([1, 2]), T([1, 4])], ("RESHAPE", [0], [1], None), "known only while the model runs"),
        ([T([2, 2]), T([2], "INT32"), T([2, 2])], ("TRANSPOSE", [0, 1], [2], None), "axes are computed"),
        ([T([4]), T([4])], ("CONV_2D", [0, 0], [1], options("Conv2DOptions")), "do not fit together"),
        ([T([2], "INT8", scale=1.0), T([2])], ("CAST", [0], [1], None), "casts codes"),
        ([T([1, 2]), T([1, 2])], ("RELU", [], [1], None), "do not fit together"),
        (
            [T([2]), T([1, 2], "INT32", data=np.array([[9, 0]], np.int32)), T([11])],
            ("MIRROR_PAD", [0, 1], [2], options("MirrorPadOptions", mode=1)),
            "mirror no more",
        ),
    ],
)
def test_refusals_say_why(tensors: list[T], operator: tuple, problem: str) -> None:
    inputs = [index for index in range(len(tensors) - 1) if tensors[index].data is None]
    with pytest.raises(ConversionError, match=problem):
        emit_onnx(build(tensors, [operator], inputs=inputs))


def test_only_the_batch_may_be_free() -> None:
    free = [T([1, 1, 1, 3], name="image", signature=[-1, -1, -1, 3]), T([1, 1, 1, 3])]
    with pytest.raises(UnsupportedModelError, match=r"'image' has the shape \(-1, -1, -1, 3\)"):
        emit_onnx(build(free, [("RELU", [0], [1], None)]))
    batch = [T([1, 3], signature=[-1, 3]), T([1, 3], signature=[-1, 3])]
    model = checked(build(batch, [("RELU", [0], [1], None)]))
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [1, 3]


def test_an_output_of_a_type_that_onnx_does_not_share_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="input or output 'words' is string"):
        emit_onnx(build([T([1], "STRING", "words")], [], outputs=[0]))


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ModelFileError, match="not a TFLite file"):
        emit_onnx(b"nothing")


def test_damaged_files_are_refused_or_emitted() -> None:
    source = random.Random(21)
    files = [convolutions(quantized=True), convolutions(), published_files()[3].read_bytes()]
    emitted = 0
    for _ in range(300):
        try:
            emitted += len(emit_onnx(mutated(source.choice(files), source))) > 0
        except EdgeCompressError as error:
            assert len(error.message) > 20
    assert 20 < emitted < 280


@pytest.mark.parametrize("path", published_files(), ids=lambda path: path.stem)
def test_published_files_agree_with_litert(path: Path) -> None:
    tflite = path.read_bytes()
    model = checked(tflite)
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    image = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    for expected, actual in zip(run_litert(tflite, image), run_onnx(emit_onnx(tflite), image), strict=True):
        assert np.abs(expected).max() > 1
        # Float32 sums in another order: each of some 100 layers in a row may be off by a few ulp of its largest number,
        # 2^-22 relative, and layers add up: 100 * 2^-22.
        np.testing.assert_allclose(actual, expected, rtol=0, atol=100 * 2.0**-22 * float(np.abs(expected).max()))
    assert kinds(model).count("Transpose") <= 1 + len(model.graph.output) + 2  # in, out, and around a reshape
