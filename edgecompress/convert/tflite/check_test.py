"""A network of int8 operators and one of bits fit LiteRT's rules; each thing that is made wrong of them is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgecompress.convert.tflite.annotate import annotate
from edgecompress.convert.tflite.check import check_tflite
from edgecompress.convert.tflite.flatbuffer import unpack
from edgecompress.errors import ConversionError
from edgecompress.testing.tflite_files import T, build, model_table, options, pack, run_litert

QUANTIZE, CONV, DEPTHWISE, POOL, FLATTEN, DENSE, SOFTMAX, DEQUANTIZE = range(8)  # the operators in their order
(IMAGE, CODES, KERNEL, BIAS, CONVOLVED, SMALL_KERNEL, SMALL_BIAS, DEPTHS, POOLED, SHAPE, ROWS, WEIGHTS, OFFSETS, LOGITS,
 CHANCES, RESULT) = range(16)  # fmt: skip


def int8_network() -> Any:
    """QUANTIZE, CONV_2D, DEPTHWISE_CONV_2D, AVERAGE_POOL_2D, RESHAPE, FULLY_CONNECTED, SOFTMAX, DEQUANTIZE."""
    random = np.random.default_rng(0)

    def codes(*shape: int) -> np.ndarray:
        return random.integers(-127, 128, shape).astype(np.int8)

    scales = np.array([0.01, 0.02, 0.03, 0.04], np.float32)
    small, window = np.array([0.05, 0.06, 0.07, 0.08], np.float32), {"strideW": 1, "strideH": 1}
    pool = {**window, "padding": 1, "filterWidth": 2, "filterHeight": 2}
    convolution = {**window, "dilationWFactor": 1, "dilationHFactor": 1}
    tensors = [
        T([1, 6, 5, 3], name="image"),
        T([1, 6, 5, 3], "INT8", "codes", scale=0.5, zero_point=3),
        T([4, 3, 3, 3], "INT8", "kernel", codes(4, 3, 3, 3), scales, [0] * 4),
        T([4], "INT32", "bias", np.arange(4, dtype=np.int32), np.float32(0.5) * scales, [0] * 4),
        T([1, 6, 5, 4], "INT8", "convolved", scale=0.25, zero_point=-128),
        T([1, 3, 3, 4], "INT8", "small kernel", codes(1, 3, 3, 4), small, [0] * 4, 3),
        T([4], "INT32", "small bias", np.arange(4, dtype=np.int32), np.float32(0.25) * small, [0] * 4),
        T([1, 4, 3, 4], "INT8", "depths", scale=0.75, zero_point=5),
        T([1, 3, 2, 4], "INT8", "pooled", scale=0.75, zero_point=5),
        T([2], "INT32", "shape", np.array([1, 24], np.int32)),
        T([1, 24], "INT8", "rows", scale=0.75, zero_point=5),
        T([7, 24], "INT8", "weights", codes(7, 24), 0.02),
        T([7], "INT32", "offsets", np.arange(7, dtype=np.int32), np.float32(0.75) * np.float32(0.02)),
        T([1, 7], "INT8", "logits", scale=1.5, zero_point=-7),
        T([1, 7], "INT8", "chances", scale=1 / 256, zero_point=-128),
        T([1, 7], name="result"),
    ]
    return model_table(
        tensors,
        [
            ("QUANTIZE", [IMAGE], [CODES], None),
            ("CONV_2D", [CODES, KERNEL, BIAS], [CONVOLVED], options("Conv2DOptions", padding=0, **convolution)),
            (
                "DEPTHWISE_CONV_2D", [CONVOLVED, SMALL_KERNEL, SMALL_BIAS], [DEPTHS],
                options("DepthwiseConv2DOptions", padding=1, depthMultiplier=1, **convolution),
            ),
            ("AVERAGE_POOL_2D", [DEPTHS], [POOLED], options("Pool2DOptions", **pool)),
            ("RESHAPE", [POOLED, SHAPE], [ROWS], options("ReshapeOptions")),
            ("FULLY_CONNECTED", [ROWS, WEIGHTS, OFFSETS], [LOGITS], options("FullyConnectedOptions")),
            ("SOFTMAX", [LOGITS], [CHANCES], options("SoftmaxOptions", beta=1.0)),
            ("DEQUANTIZE", [CHANCES], [RESULT], None),
        ],
    )  # fmt: skip


def versions_that_exist(model: Any) -> Any:
    """The versions that the builder gives are those of int8, which not every operator has."""
    for code in model.operatorCodes:
        code.version = min(code.version, 1 if code.builtinCode == schema.BuiltinOperator.RESHAPE else 2)
    return model


def test_a_file_that_litert_runs() -> None:
    content = annotate(pack(versions_that_exist(int8_network())), inputs=("image",), outputs=("result",))
    assert check_tflite(content) == ()
    (result,) = run_litert(content, np.ones((1, 6, 5, 3), np.float32))
    assert result.sum() == pytest.approx(1, abs=7 / 256)


def on_tensor(index: int, change: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda model: change(model.subgraphs[0].tensors[index])


def on_operator(index: int, change: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda model: change(model.subgraphs[0].operators[index])


def scaled(scale: Any, zero_point: Any = 0, axis: int = 0) -> Callable[[Any], None]:
    def change(tensor: Any) -> None:
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = np.atleast_1d(scale).astype(np.float32).tolist()
        tensor.quantization.zeroPoint = np.atleast_1d(zero_point).tolist()
        tensor.quantization.quantizedDimension = axis

    return change


def typed(name: str) -> Callable[[Any], None]:
    return lambda tensor: setattr(tensor, "type", getattr(schema.TensorType, name))


def shaped(*shape: int) -> Callable[[Any], None]:
    return lambda tensor: setattr(tensor, "shape", list(shape))


def reading(*inputs: int) -> Callable[[Any], None]:
    return lambda operator: setattr(operator, "inputs", list(inputs))


def with_option(name: str, value: int) -> Callable[[Any], None]:
    return lambda operator: setattr(operator.builtinOptions, name, value)


def of_version(index: int, version: int) -> Callable[[Any], None]:
    return lambda model: setattr(model.operatorCodes[index], "version", version)


def unscaled(tensor: Any) -> None:
    tensor.quantization = None


FAULTS: dict[str, tuple[Callable[[Any], None], str]] = {
    "numbers into a kernel of codes": (
        on_operator(CONV, reading(IMAGE, KERNEL, BIAS)),
        r"CONV_2D 'convolved': beside an input of float32 its output is int8",
    ),
    "codes out of a kernel of numbers": (
        on_tensor(POOLED, typed("FLOAT32")),
        r"AVERAGE_POOL_2D 'pooled': 'pooled' is float32 where 'depths' is int8",
    ),
    "numbers reshaped to codes": (
        on_operator(FLATTEN, reading(IMAGE, SHAPE)),
        r"RESHAPE 'rows': 'rows' is int8 where 'image' is float32",
    ),
    "a bias of another type": (
        on_tensor(BIAS, typed("FLOAT32")),
        r"CONV_2D 'convolved': .* its bias is float32; int32 is expected",
    ),
    "a kernel of another type": (
        on_tensor(WEIGHTS, typed("UINT8")),
        r"FULLY_CONNECTED 'logits': .* its kernel is uint8; int8 or int4",
    ),
    "a scale of zero": (on_tensor(CONVOLVED, scaled(0.0)), r"tensor 4 'convolved': a scale is not a positive number"),
    "an infinite scale": (
        on_tensor(CONVOLVED, scaled(np.inf)),
        r"tensor 4 'convolved': a scale is not a positive number",
    ),
    "a zero point beyond the type": (
        on_tensor(CONVOLVED, scaled(0.25, 128)),
        r"tensor 4 'convolved': a zero point is outside of int8",
    ),
    "a kernel around another number": (
        on_tensor(WEIGHTS, scaled(0.02, 1)),
        r"FULLY_CONNECTED 'logits': its kernel has the zero points {1}",
    ),
    "codes without a scale": (
        on_tensor(LOGITS, unscaled),
        r"FULLY_CONNECTED 'logits': its output is int8 without a scale",
    ),
    "an activation with scales of channels": (
        on_tensor(CONVOLVED, scaled([0.25] * 4, [0] * 4, 3)),
        r"CONV_2D 'convolved': its output has a scale for each channel",
    ),
    "scales along another axis": (
        on_tensor(KERNEL, scaled([0.01] * 3, [0] * 3, 1)),
        r"CONV_2D 'convolved': its kernel has scales along axis 1; 0 is expected",
    ),
    "scales of a depthwise kernel along another axis": (
        on_tensor(SMALL_KERNEL, scaled([0.05] * 3, [0] * 3, 2)),
        r"DEPTHWISE_CONV_2D 'depths': its kernel has scales along axis 2; 3",
    ),
    "a bias of another scale": (
        on_tensor(OFFSETS, scaled(0.0151)),
        r"FULLY_CONNECTED 'logits': its bias has 1 scales .* multiply to 1 from 0.015",
    ),
    "a bias of one scale": (on_tensor(BIAS, scaled(0.005)), r"CONV_2D 'convolved': its bias has 1 scales"),
    "a bias around another number": (
        on_tensor(OFFSETS, scaled(np.float32(0.75) * np.float32(0.02), 1)),
        r"'logits': its bias has the zero points {1}",
    ),
    "a pool that changes the scale": (
        on_tensor(POOLED, scaled(0.5, 5)),
        r"AVERAGE_POOL_2D 'pooled': 'pooled' has the scale 0.5 and the zero point 5 where",
    ),
    "a reshape that changes the zero point": (
        on_tensor(ROWS, scaled(0.75, 4)),
        r"RESHAPE 'rows': 'rows' has the scale 0.75 and the zero point 4 where",
    ),
    "a softmax of another range": (
        on_tensor(CHANCES, scaled(1 / 255, -128)),
        r"SOFTMAX 'chances': its output has the scale 0.00392157 .*; 0.00390625 and -128",
    ),
    "another shape of a convolution": (
        on_tensor(CONVOLVED, shaped(1, 4, 3, 4)),
        r"CONV_2D 'convolved': its output has the shape \(1, 4, 3, 4\); \(1, 6, 5, 4\)",
    ),
    "another padding": (
        on_operator(DEPTHWISE, with_option("padding", 0)),
        r"DEPTHWISE_CONV_2D 'depths': its output has the shape \(1, 4, 3, 4\); \(1, 6, 5, 4\)",
    ),
    "another stride": (on_operator(CONV, with_option("strideW", 2)), r"CONV_2D 'convolved': its output has the shape"),
    "no stride": (on_operator(POOL, with_option("strideH", 0)), r"AVERAGE_POOL_2D 'pooled': its strides are \(0, 1\)"),
    "another dilation": (
        on_operator(DEPTHWISE, with_option("dilationHFactor", 2)),
        r"DEPTHWISE_CONV_2D 'depths': its output has the shape",
    ),
    "another window": (
        on_operator(POOL, with_option("filterWidth", 3)),
        r"AVERAGE_POOL_2D 'pooled': its output has the shape",
    ),
    "other channels": (
        on_operator(CONV, reading(CODES, SMALL_KERNEL, BIAS)),
        r"CONV_2D 'convolved': its kernel has scales along axis 3",
    ),
    "a shape of other elements": (
        on_tensor(ROWS, shaped(1, 23)),
        r"RESHAPE 'rows': its input .* have not as many numbers",
    ),
    "a shape that was not asked for": (
        on_tensor(ROWS, shaped(2, 12)),
        r"RESHAPE 'rows': it is to give the shape \[1, 24\]",
    ),
    "rows of another length": (
        on_tensor(LOGITS, shaped(7, 1)),
        r"FULLY_CONNECTED 'logits': its output has the shape \(7, 1\)",
    ),
    "a bias of another length": (
        on_operator(DENSE, reading(ROWS, WEIGHTS, BIAS)),
        r"FULLY_CONNECTED 'logits': its bias has 4 scales",
    ),
    "too few inputs": (on_operator(CONV, reading(CODES)), r"CONV_2D 'convolved': it has 1 inputs; 2 to 3 are expected"),
    "a kernel that is left out": (
        on_operator(CONV, reading(CODES, -1, BIAS)),
        r"CONV_2D 'convolved': its input 1 is left out",
    ),
    "an undefined tensor": (
        on_operator(CONV, reading(LOGITS, KERNEL, BIAS)),
        r"operator 1 CONV_2D reads tensor 13 'logits', which nothing has computed before",
    ),
    "a tensor that is not there": (
        on_operator(CONV, reading(99, KERNEL, BIAS)),
        r"operator 1 CONV_2D: tensor 99 is named where there are 16",
    ),
    "an order in which nothing is ready": (
        lambda model: model.subgraphs[0].operators.reverse(),
        r"reads tensor .* which nothing has computed before",
    ),
    "a constant of another size": (
        on_tensor(KERNEL, shaped(4, 3, 3, 4)),
        r"tensor 2 'kernel': 108 bytes where shape 4x3x3x4 of int8 needs 144",
    ),
    "an operator of the future": (of_version(SOFTMAX, 99), r"SOFTMAX 'chances': it is of version 99; LiteRT has up to"),
    "an operator that nothing computes": (
        lambda model: setattr(model.operatorCodes[SOFTMAX], "builtinCode", schema.BuiltinOperator.CONCAT_EMBEDDINGS),
        r"CONCAT_EMBEDDINGS",
    ),
    "an output of nothing": (
        lambda model: setattr(model.subgraphs[0], "outputs", [LOGITS, SHAPE + 1, 16]),
        r"the graph's outputs: tensor 16",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name: str) -> None:
    change, reason = FAULTS[name]
    model = versions_that_exist(int8_network())
    change(model)
    with pytest.raises(ConversionError, match=reason):
        check_tflite(pack(model))


def test_an_output_that_is_read_on_as_numbers_by_an_operator_of_codes() -> None:
    """As a quantizer leaves it: LiteRT's reader crashes on this file."""
    tensors = [
        T([1, 2, 2], "INT8", "codes", scale=0.5), T([1, 2, 2], name="map"),
        T([2], "INT32", "shape", np.array([1, 4], np.int32)), T([1, 4], "INT8", "flat_inner", scale=0.5),
        T([1, 4], name="flat"),
    ]  # fmt: skip
    operators = [("DEQUANTIZE", [0], [1], None), ("RESHAPE", [1, 2], [3], None), ("DEQUANTIZE", [3], [4], None)]
    model = versions_that_exist(model_table(tensors, operators, outputs=[1, 4]))
    with pytest.raises(ConversionError, match="RESHAPE 'flat_inner': 'flat_inner' is int8 where 'map' is float32"):
        check_tflite(pack(model))


@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_a_signature_of_another_graph(side: str) -> None:
    model = unpack(annotate(pack(versions_that_exist(int8_network())), inputs=("image",), outputs=("result",)))
    getattr(model.signatureDefs[0], side)[0].tensorIndex = LOGITS
    with pytest.raises(ConversionError, match=f"signature 'serving_default': its {side} are not those of the graph"):
        check_tflite(pack(model))


def test_all_faults_are_listed_and_what_to_do() -> None:
    model = versions_that_exist(int8_network())
    for change in (on_tensor(CHANCES, scaled(0.5)), on_tensor(ROWS, scaled(0.5))):
        change(model)
    with pytest.raises(ConversionError) as caught:
        check_tflite(pack(model))
    assert "breaks 3 of LiteRT's rules" in caught.value.message  # the dense layer's bias fits its input no more
    assert "report this model" in caught.value.hint


def test_codes_of_16_bits_lie_around_zero() -> None:
    content = build(
        [T([1, 4], "INT16", "x", scale=0.5, zero_point=1), T([1, 4], name="y")], [("DEQUANTIZE", [0], [1], None)]
    )
    with pytest.raises(ConversionError, match="tensor 0 'x' is int16 with the zero point 1"):
        check_tflite(content)


def test_what_is_not_checked_is_said() -> None:
    model = model_table([T([1, 4], name="x"), T([1, 4], name="y")], [("CUSTOM", [0], [1], None)])
    model.operatorCodes[0].customCode = "Mystery"
    assert check_tflite(pack(model)) == ("Not checked, since no rules of it are known: Mystery (1x).",)
    free = [T([1, 4], name="x", signature=[-1, 4]), T([1, 4], name="y", signature=[-1, 4])]
    (note,) = check_tflite(build(free, [("RELU", [0], [1], None)]))
    assert note == "Shapes that are known only while the file runs are not checked, first those of RELU 'y'."
    model.subgraphs.append(model.subgraphs[0])
    (note,) = check_tflite(pack(model))
    assert note.startswith("Not checked against LiteRT's rules: it holds 2 subgraphs")
