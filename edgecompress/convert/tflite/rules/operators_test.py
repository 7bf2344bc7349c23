"""One good file for each operator, which LiteRT runs, and what is made wrong of it: each is refused by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecompress.convert.tflite.check import RULES, check_tflite
from edgecompress.convert.tflite.rules.elementwise import BINARY, UNARY
from edgecompress.convert.tflite.rules.versions import NEWEST
from edgecompress.errors import ConversionError
from edgecompress.testing.tflite_files import T, model_table, options, pack, run_litert

STEPS = {"strideW": 2, "strideH": 1, "padding": 0}
DILATED = {**STEPS, "strideW": 1, "padding": 1, "dilationWFactor": 2, "dilationHFactor": 1}
PLAIN = {**STEPS, "dilationWFactor": 1, "dilationHFactor": 1}


def numbers(*shape: int) -> T:
    return T(shape, data=np.ones(shape, np.float32))


def integers(*values: int, shape: tuple[int, ...] | None = None) -> T:
    array = np.array(values, np.int32).reshape(shape or (len(values),))
    return T(array.shape, "INT32", data=array)


def boolean(*shape: int) -> T:
    return T(shape, "BOOL")


# kind: inputs, outputs, options
Case = tuple[list[T], list[T], Any]
X = T([1, 4, 6, 8])
REDUCED: Case = ([X, integers(1, 2)], [T([1, 8])], options("ReducerOptions"))
COMPARED: Case = ([T([2, 3]), T([3])], [boolean(2, 3)], None)
CASES: dict[str, Case] = {
    "CONV_2D": ([X, numbers(5, 3, 3, 8), numbers(5)], [T([1, 2, 2, 5])], options("Conv2DOptions", **DILATED)),
    "DEPTHWISE_CONV_2D": (
        [X, numbers(1, 3, 3, 8), numbers(8)], [T([1, 4, 3, 8])],
        options("DepthwiseConv2DOptions", depthMultiplier=1, **{**PLAIN, "strideH": 1}),
    ),
    "TRANSPOSE_CONV": (
        [integers(1, 4, 12, 5), numbers(5, 3, 3, 8), X], [T([1, 4, 12, 5])], options("TransposeConvOptions", **STEPS)
    ),
    "AVERAGE_POOL_2D": ([X], [T([1, 4, 3, 8])], options("Pool2DOptions", filterWidth=3, filterHeight=2, **STEPS)),
    "MAX_POOL_2D": ([X], [T([1, 4, 3, 8])], options("Pool2DOptions", filterWidth=3, filterHeight=2, **STEPS)),
    "FULLY_CONNECTED": ([T([3, 8]), numbers(5, 8), numbers(5)], [T([3, 5])], options("FullyConnectedOptions")),
    "BATCH_MATMUL": ([T([2, 3, 4]), T([5, 4])], [T([2, 3, 5])], options("BatchMatMulOptions", adjY=True)),
    "RESHAPE": ([X, integers(1, -1)], [T([1, 192])], options("ReshapeOptions")),
    "SQUEEZE": ([T([1, 3, 1, 4])], [T([3, 4])], options("SqueezeOptions", squeezeDims=[0, 2])),
    "EXPAND_DIMS": ([T([3, 4]), integers(1, shape=(1,))], [T([3, 1, 4])], None),
    "TRANSPOSE": ([X, integers(0, 3, 1, 2)], [T([1, 8, 4, 6])], options("TransposeOptions")),
    "CONCATENATION": ([T([2, 3]), T([2, 4])], [T([2, 7])], options("ConcatenationOptions", axis=-1)),
    "PACK": ([T([2, 3]), T([2, 3])], [T([2, 2, 3])], options("PackOptions", axis=1, valuesCount=2)),
    "UNPACK": ([T([2, 3])], [T([2]), T([2]), T([2])], options("UnpackOptions", axis=1, num=3)),
    "SPLIT": ([integers(1, shape=()), T([2, 6])], [T([2, 3]), T([2, 3])], options("SplitOptions", numSplits=2)),
    "SPLIT_V": (
        [T([2, 6]), integers(2, -1), integers(1, shape=())], [T([2, 2]), T([2, 4])],
        options("SplitVOptions", numSplits=2),
    ),
    "PAD": ([T([2, 3]), integers(0, 1, 2, 3, shape=(2, 2))], [T([3, 8])], None),
    "PADV2": ([T([2, 3]), integers(0, 1, 2, 3, shape=(2, 2)), numbers(1)], [T([3, 8])], None),
    "MIRROR_PAD": ([T([2, 3]), integers(0, 1, 2, 1, shape=(2, 2))], [T([3, 6])], options("MirrorPadOptions")),
    "SLICE": ([T([4, 6]), integers(1, 2), integers(2, -1)], [T([2, 4])], None),
    "STRIDED_SLICE": (
        [T([4, 6]), integers(1, 5), integers(2, 0), integers(1, -2)], [T([3])],
        options("StridedSliceOptions", shrinkAxisMask=1),
    ),
    "GATHER": ([T([4, 6]), integers(0, 2, 1)], [T([4, 3])], options("GatherOptions", axis=1)),
    "GATHER_ND": ([T([4, 6]), integers(0, 2, shape=(1, 2))], [T([1])], None),
    "TILE": ([T([2, 3]), integers(2, 1)], [T([4, 3])], None),
    "BROADCAST_TO": ([T([1, 3]), integers(4, 3)], [T([4, 3])], None),
    "REVERSE_V2": ([T([2, 3]), integers(1)], [T([2, 3])], None),
    "RESIZE_BILINEAR": ([X, integers(8, 9)], [T([1, 8, 9, 8])], options("ResizeBilinearOptions")),
    "RESIZE_NEAREST_NEIGHBOR": ([X, integers(8, 9)], [T([1, 8, 9, 8])], options("ResizeNearestNeighborOptions")),
    "DEPTH_TO_SPACE": ([X], [T([1, 8, 12, 2])], options("DepthToSpaceOptions", blockSize=2)),
    "SPACE_TO_DEPTH": ([X], [T([1, 2, 3, 32])], options("SpaceToDepthOptions", blockSize=2)),
    "SPACE_TO_BATCH_ND": ([X, integers(2, 3), integers(1, 1, 0, 0, shape=(2, 2))], [T([6, 3, 2, 8])], None),
    "BATCH_TO_SPACE_ND": (
        [T([6, 3, 2, 8]), integers(2, 3), integers(1, 1, 0, 0, shape=(2, 2))], [T([1, 4, 6, 8])], None
    ),
    "DYNAMIC_UPDATE_SLICE": ([T([4, 6]), T([2, 2]), integers(1, 1)], [T([4, 6])], None),
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_PROD", "REDUCE_MAX", "REDUCE_MIN"), REDUCED),
    **dict.fromkeys(("REDUCE_ANY", "REDUCE_ALL"), ([boolean(2, 3), integers(1)], [boolean(2)], REDUCED[2])),
    "ARG_MAX": ([T([2, 3]), integers(1)], [T([2], "INT64")], options("ArgMaxOptions", outputType=4)),
    "ARG_MIN": ([T([2, 3]), integers(1)], [T([2], "INT64")], options("ArgMinOptions", outputType=4)),
    **dict.fromkeys(("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"), COMPARED),
    **dict.fromkeys(("LOGICAL_AND", "LOGICAL_OR"), ([boolean(2, 3), boolean(3)], [boolean(2, 3)], None)),
    "LOGICAL_NOT": ([boolean(2, 3)], [boolean(2, 3)], None),
    "SELECT": ([boolean(2), T([2, 3]), T([2, 3])], [T([2, 3])], None),
    "SELECT_V2": ([boolean(2, 1), T([2, 3]), T([3])], [T([2, 3])], None),
    "SHAPE": ([T([2, 3])], [T([2], "INT32")], options("ShapeOptions", outType=2)),
    "QUANTIZE": ([T([2, 3])], [T([2, 3], "INT8", scale=0.5)], None),
    "DEQUANTIZE": ([T([2, 3], "INT8", scale=0.5)], [T([2, 3])], None),
    "CAST": ([T([2, 3])], [T([2, 3], "INT32")], options("CastOptions", inDataType=0, outDataType=2)),
    "ADD_N": ([T([2, 3]), T([2, 3]), T([2, 3])], [T([2, 3])], options("AddNOptions")),
}  # fmt: skip
NOT_BUILT = {"DENSIFY"}  # its sparse constants are in the sparse files of other tests
ANY_SHAPE = {"GATHER_ND"}


def content(kind: str, *, change: Callable[[Any], None] | None = None) -> bytes:
    inputs, outputs, table = CASES[kind]
    tensors = [*inputs, *outputs]
    made = list(range(len(inputs), len(tensors)))
    model = model_table(tensors, [(kind, range(len(inputs)), made, table)], outputs=made)
    model.operatorCodes[0].version = NEWEST[kind]
    if change is not None:
        change(model.subgraphs[0])
    return pack(model)


def test_every_operator_with_rules_is_here() -> None:
    assert {*CASES, *UNARY, *BINARY, *NOT_BUILT} == set(RULES)


@pytest.mark.parametrize("kind", CASES)
def test_a_good_file(kind: str) -> None:
    file = content(kind)
    assert check_tflite(file) == ()
    given = [tensor for tensor in CASES[kind][0] if tensor.data is None]
    values = [np.zeros(tensor.shape, tensor.dtype.lower()) for tensor in given]
    for found, wanted in zip(run_litert(file, *values), CASES[kind][1], strict=True):
        assert found.shape == tuple(wanted.shape)


@pytest.mark.parametrize("kind", [kind for kind in CASES if kind not in ANY_SHAPE])
def test_another_shape(kind: str) -> None:
    def change(graph: Any) -> None:
        shape = graph.tensors[graph.outputs[0]].shape
        shape[-1] += 1

    with pytest.raises(ConversionError, match=f"{kind} 'tensor{len(CASES[kind][0])}': .*(shape|numbers|leads back)"):
        check_tflite(content(kind, change=change))


@pytest.mark.parametrize("kind", [kind for kind in CASES if kind not in ("CAST", "QUANTIZE")])
def test_another_type(kind: str) -> None:
    def change(graph: Any) -> None:
        graph.tensors[graph.outputs[0]].type = 3  # uint8

    with pytest.raises(ConversionError, match=rf"{kind} 'tensor{len(CASES[kind][0])}': .*(uint8|UINT8)"):
        check_tflite(content(kind, change=change))


@pytest.mark.parametrize("kind", [kind for kind in CASES if len(RULES[kind].inputs) < 10])
def test_another_number_of_inputs(kind: str) -> None:
    def change(graph: Any) -> None:
        graph.operators[0].inputs = list(graph.operators[0].inputs) * 5

    with pytest.raises(ConversionError, match=rf"{kind} 'tensor\d+': it has \d+ inputs; "):
        check_tflite(content(kind, change=change))


def replaced(place: int, tensor: T) -> Callable[[Any], None]:
    def change(graph: Any) -> None:
        graph.tensors[place].shape = list(tensor.shape)

    return change


SHAPES: dict[str, tuple[str, int, list[int], str]] = {
    "kernel of other channels": ("CONV_2D", 0, [1, 4, 6, 9], "its input has 9 channels and its kernel 8"),
    "no image": ("CONV_2D", 0, [1, 4, 48], "its input has 3 axes; 4 are expected"),
    "depthwise": ("DEPTHWISE_CONV_2D", 0, [1, 4, 6, 3], "its input has 3 channels and its kernel 8"),
    "transposed": ("TRANSPOSE_CONV", 2, [1, 4, 6, 7], "its input has 7 channels and its kernel 8"),
    "transposed size": ("TRANSPOSE_CONV", 2, [1, 4, 5, 8], "leads back to images of [4, 6] pixels, not [4, 5]"),
    "rows": ("FULLY_CONNECTED", 0, [3, 7], "its input has 21 numbers, in rows of 8"),
    "matrices": ("BATCH_MATMUL", 0, [2, 3, 5], "do not multiply"),
    "order": ("TRANSPOSE", 0, [1, 4, 48], "its order [0, 3, 1, 2] is none of 3 axes"),
    "joined": ("CONCATENATION", 0, [3, 3], "differ beside axis 1"),
    "stacked": ("PACK", 0, [3, 3], "one is expected"),
    "taken apart": ("UNPACK", 0, [2, 4], "it has 3 outputs for 4 parts"),
    "split": ("SPLIT", 1, [2, 7], "are no 2 equal parts"),
    "split by sizes": ("SPLIT_V", 0, [2, 1], "are not 2 parts"),
    "pads": ("PAD", 0, [2, 3, 4], "it has 4 amounts of padding for 3 axes"),
    "slice": ("SLICE", 0, [2, 6], "it takes [2, 4] from [1, 2] on, out of (2, 6)"),
    "strided slice": ("STRIDED_SLICE", 0, [1, 6], "it takes 1 out of 1"),
    "compared": ("LESS", 1, [2], "do not fit together"),
    "blocks": ("SPACE_TO_DEPTH", 0, [1, 5, 6, 8], "are no blocks of 2"),
    "blocks of channels": ("DEPTH_TO_SPACE", 0, [1, 4, 6, 6], "its 6 channels are no blocks of 2 x 2"),
    "blocks of a batch": ("BATCH_TO_SPACE_ND", 0, [5, 3, 2, 8], "its batch of 5 is no blocks of [2, 3]"),
    "blocks of pixels": ("SPACE_TO_BATCH_ND", 0, [1, 3, 6, 8], "are no blocks of [2, 3]"),
    "axis": ("ARG_MAX", 0, [3], "its axis 1 is none of 1"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_that_do_not_fit(name: str) -> None:
    kind, place, shape, reason = SHAPES[name]
    with pytest.raises(ConversionError, match=f"{kind} .*{re.escape(reason)}"):
        check_tflite(content(kind, change=replaced(place, T(shape))))


COMPARISONS = {"EQUAL": np.equal, "NOT_EQUAL": np.not_equal, "GREATER": np.greater, "LESS": np.less}


@pytest.mark.parametrize("kind", COMPARISONS)
@pytest.mark.parametrize("scale", [0.3, 0.999, 1.2, 3.0])
def test_codes_are_compared_below_the_scale_1(kind: str, scale: float) -> None:
    """What is refused is what LiteRT computes wrongly: beyond it, this test says when a release has it right."""
    codes = T([5], "INT8", scale=scale)
    content = pack(model_table([codes, codes, boolean(5)], [(kind, [0, 1], [2], None)]))
    pairs = np.array([[-128, -3, 0, 50, 127], [-128, 2, 0, 100, 1]], np.int8)
    right = np.array_equal(run_litert(content, *pairs)[0], COMPARISONS[kind](*pairs))
    assert right == (scale < 1)
    if right:
        assert check_tflite(content) == ()
    else:
        with pytest.raises(ConversionError, match=f"{kind} .*its input 0 has the scale {scale:g}; LiteRT compares"):
            check_tflite(content)
