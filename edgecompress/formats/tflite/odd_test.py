"""Files of several subgraphs, with recurrent layers, loops, free axes and odd parts, as `inspect` sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgecompress.errors import ModelFileError
from edgecompress.formats.summary import LayerSummary
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.formats.tflite.summary import read_tflite, summarize
from edgecompress.formats.tflite.summary_test import float_zeros, layer_of
from edgecompress.testing.tflite_files import T, build, model_table, options, pack

CONVOLUTION = options("Conv2DOptions", strideH=1, strideW=1)
LSTM_KERNELS = [(3, 5)] * 4 + [(3, 3)] * 4  # of five inputs and three cells
LSTM_OTHERS: list[Any] = [None] * 3 + [(3,)] * 4
COUPLED = [  # input and forget gate are one, with peepholes and a projection to two
    *(None, *LSTM_KERNELS[1:4], None, *LSTM_KERNELS[5:]),
    *(None, (3,), (3,), None, (3,), (3,), (3,), (2, 3), (2,)),
]
TWO_WAYS = [*LSTM_KERNELS, *LSTM_OTHERS, None, None, *LSTM_KERNELS, *LSTM_OTHERS]


def test_a_batch_that_is_certain_does_not_count() -> None:
    """Images, or a free axis; four rows of a matrix may as well be four steps."""
    images = [T([4, 5, 5, 1]), float_zeros(2, 3, 3, 1), T([4, 5, 5, 2])]
    assert layer_of(images, "CONV_2D", [0, 1], CONVOLUTION).multiply_adds == 5 * 5 * 2 * 9
    free = [T([4, 3], signature=[-1, 3]), float_zeros(2, 3), T([4, 2], signature=[-1, 2])]
    layer = layer_of(free, "FULLY_CONNECTED", [0, 1, -1], None)
    assert (layer.multiply_adds, layer.output_shape) == (6, (-1, 2))
    steps = [T([4, 3]), float_zeros(2, 3), T([4, 2])]
    assert layer_of(steps, "FULLY_CONNECTED", [0, 1, -1], None).multiply_adds == 24


def test_the_length_of_a_sound_is_no_batch() -> None:
    shape = T([4], "INT32", data=np.array([1, 1, 15600, 1], np.int32))
    tensors = [T([15600]), shape, T([1, 1, 15600, 1]), float_zeros(4, 1, 9, 1), T([1, 1, 3900, 4])]
    operators = [("RESHAPE", [0, 1], [2], None), ("CONV_2D", [2, 3], [4], options("Conv2DOptions", strideW=4))]
    assert summarize([parse_graph(build(tensors, operators))]).multiply_adds == 3900 * 4 * 9


def recurrent(kind: str, shapes: list[Any], inputs: int) -> LayerSummary:
    """An operator with constants of these shapes behind its data, and so many inputs in all."""
    tensors, places = [T([2, 7, 5] if "SEQUENCE" in kind else [2, 5])], [0]
    for shape in shapes:
        places.append(-1 if shape is None else len(tensors))
        tensors += [] if shape is None else [float_zeros(*shape)]
    places += [-1] * (inputs - len(places))
    return layer_of([*tensors, T([2, 7, 3])], kind, places, None)


@pytest.mark.parametrize(
    ("kind", "shapes", "inputs", "steps", "kernels", "others"),
    [
        # two sequences of seven steps: 14 in all
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", [*LSTM_KERNELS, *LSTM_OTHERS], 24, 14, 4 * 15 + 4 * 9, 12),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", COUPLED, 24, 14, 3 * 15 + 3 * 9 + 6, 5 * 3 + 2),
        ("LSTM", [*LSTM_KERNELS, *LSTM_OTHERS], 20, 2, 4 * 15 + 4 * 9, 12),
        ("LSTM", [(2, 3), (12, 8), (12,), (2, 3)], 5, 2, 96, 12),  # the basic one: activation, all kernels, bias, state
        ("BIDIRECTIONAL_SEQUENCE_LSTM", TWO_WAYS, 48, 14, 2 * 96, 24),
        ("UNIDIRECTIONAL_SEQUENCE_RNN", [(3, 5), (3, 3), (3,)], 5, 14, 24, 3),
        ("BIDIRECTIONAL_SEQUENCE_RNN", [(3, 5), (3, 3), (3,), None, (3, 5), (3, 3), (3,)], 12, 14, 48, 6),
        ("RNN", [(3, 5), (3, 3), (3,)], 5, 2, 24, 3),
        ("SVDF", [(6, 5), (6, 4), (3,)], 5, 2, 6 * 5 + 6 * 4, 3),
    ],
)
def test_recurrent_operators_are_counted_by_hand(
    kind: str, shapes: list[Any], inputs: int, steps: int, kernels: int, others: int
) -> None:
    layer = recurrent(kind, shapes, inputs)
    assert (layer.multiply_adds, layer.weights, layer.parameters) == (steps * kernels, kernels, kernels + others)
    assert not layer.uncounted


def test_convolutions_over_volumes_are_counted_by_hand() -> None:
    layer = layer_of([T([1, 4, 4, 4, 2]), float_zeros(3, 3, 3, 2, 5), T([1, 4, 4, 4, 5])], "CONV_3D", [0, 1], None)
    assert layer.multiply_adds == 64 * 5 * 27 * 2
    shape = T([5], "INT32", data=np.array([1, 8, 8, 8, 5], np.int32))
    tensors = [shape, float_zeros(2, 2, 2, 5, 3), T([1, 4, 4, 4, 3]), T([1, 8, 8, 8, 5])]
    assert layer_of(tensors, "CONV_3D_TRANSPOSE", [0, 1, 2], None).multiply_adds == 64 * 3 * 8 * 5


def test_what_depends_on_free_axes_is_uncounted() -> None:
    """The file has 1 where an axis is free, and some files forget behind the input that it is."""
    image, kernel = T([1, 1, 1, 3], signature=[1, -1, -1, 3]), float_zeros(4, 3, 3, 3)
    for made in (T([1, 1, 1, 4], signature=[1, -1, -1, 4]), T([1, 1, 1, 4])):
        layer = layer_of([image, kernel, made], "CONV_2D", [0, 1], CONVOLUTION)
        assert layer.uncounted and not layer.multiply_adds
    samples = [T([1], signature=[-1]), float_zeros(4, 1), T([1, 4])]
    assert layer_of(samples, "FULLY_CONNECTED", [0, 1, -1], None).uncounted


def test_a_reshape_into_the_batch_is_followed() -> None:
    """Seven steps of a batch that is free become its rows: one in the file, seven in truth."""
    shape = T([2], "INT32", data=np.array([-1, 5], np.int32))
    rows, made = T([1, 5], signature=[-1, 5]), T([1, 3], signature=[-1, 3])
    tensors = [T([1, 7, 5], signature=[-1, 7, 5]), shape, rows, float_zeros(3, 5), made]
    operators = [("RESHAPE", [0, 1], [2], None), ("FULLY_CONNECTED", [2, 3, -1], [4], None)]
    assert summarize([parse_graph(build(tensors, operators))]).multiply_adds == 7 * 5 * 3


@pytest.mark.parametrize(("code", "uncounted"), [("FlexMatMul", True), ("TFLite_Detection_PostProcess", False)])
def test_what_a_custom_operator_computes_is_not_known(code: str, uncounted: bool) -> None:
    model = model_table([T([1, 4]), T([1, 4])], [("CUSTOM", [0], [1], None)])
    model.operatorCodes[0].customCode = code.encode()
    (layer,) = summarize([parse_graph(pack(model))]).layers
    assert (layer.kind, layer.uncounted) == (code, uncounted)


def test_a_loop_is_described_and_its_body_uncounted(tmp_path: Path) -> None:
    """It multiplies with a kernel that the main graph has, too."""
    kernel, product = np.ones((4, 4), np.float32), ("FULLY_CONNECTED", [0, 1, -1], [2], None)
    loop = ("WHILE", [2], [3], options("WhileOptions"))
    model = model_table([T([1, 4]), T([4, 4], data=kernel), T([1, 4]), T([1, 4])], [product, loop])
    body = model_table([T([1, 4]), T([4, 4], data=kernel), T([1, 4])], [product]).subgraphs[0]
    body.name = b"body"
    model.subgraphs.append(body)
    (tmp_path / "loop.tflite").write_bytes(pack(model))
    found = read_tflite(tmp_path / "loop.tflite")
    assert [(layer.kind, layer.graph, layer.uncounted, layer.multiply_adds) for layer in found.layers] == [
        ("FULLY_CONNECTED", "", False, 16),
        ("WHILE", "", True, 0),
        ("FULLY_CONNECTED", "body", True, 0),
    ]
    assert (found.parameters, found.multiply_adds) == (16, 16)
    assert found.warnings == ("operator 1 is WHILE; models without control flow are supported.",)


def signature(key: str, subgraph: int) -> Any:
    made, source, result = schema.SignatureDefT(), schema.TensorMapT(), schema.TensorMapT()
    source.name, source.tensorIndex, result.name, result.tensorIndex = b"x", 0, b"y", 2
    made.signatureKey, made.subgraphIndex, made.inputs, made.outputs = key.encode(), subgraph, [source], [result]
    return made


def test_signatures_are_told_and_the_first_is_counted(tmp_path: Path) -> None:
    product = ("FULLY_CONNECTED", [0, 1, -1], [2], None)
    model = model_table([T([1, 4]), float_zeros(4, 4), T([1, 4])], [product])
    other = model_table([T([1, 4]), float_zeros(9, 4), T([1, 9])], [product])
    other.subgraphs[0].name, other.subgraphs[0].tensors[1].buffer = b"nine", len(model.buffers)
    model.buffers += other.buffers[1:]
    model.subgraphs += other.subgraphs
    model.signatureDefs = [signature("four", 0), signature("nine", 1)]
    (tmp_path / "two.tflite").write_bytes(pack(model))
    found = read_tflite(tmp_path / "two.tflite")
    assert [(layer.multiply_adds, layer.uncounted) for layer in found.layers] == [(16, False), (36, False)]
    assert (found.multiply_adds, found.parameters) == (16, 16 + 36)
    assert found.metadata["signature nine"] == "x -> y in subgraph 'nine'"
    model.signatureDefs = [signature("nine", 1)]
    (tmp_path / "two.tflite").write_bytes(pack(model))
    found = read_tflite(tmp_path / "two.tflite")
    assert (found.multiply_adds, found.outputs[0].shape) == (36, (1, 9))


def test_odd_files_are_described_with_warnings(tmp_path: Path) -> None:
    """Each part is one that the format allows, and that nothing may be computed from."""
    model = model_table(
        [T([1, 4]), T([2], "INT32"), T([1, 4]), T([1, 4], "INT8", scale=0.0), T([1, 4]), T([1, 4], signature=[1, 5])],
        [("RESHAPE", [0, 1], [2], None), ("ADD", [2, 3], [4], options("MulOptions")), ("RELU", [4], [5], None)],
        inputs=[0],
    )
    model.operatorCodes[2].builtinCode = 999
    (tmp_path / "odd.tflite").write_bytes(pack(model))
    found = read_tflite(tmp_path / "odd.tflite")
    assert [layer.kind for layer in found.layers] == ["RESHAPE", "ADD", "BUILTIN_999"]
    assert found.layers[2].uncounted and found.outputs[0].shape == (1, 4)
    text = " ".join(found.warnings)
    for part in (
        "shape signature",
        "not a positive number",
        "are not AddOptions",
        "unknown code 999",
        "reads tensor 1",
    ):
        assert part in text
    with pytest.raises(ModelFileError):
        parse_graph(pack(model))


def test_an_empty_shape_is_not_odd() -> None:
    """As of a reshape to a scalar; a buffer without bytes is also how the format says that something is computed."""
    tensors = [T([1, 1]), T([0], "INT32"), T([])]
    assert parse_graph(build(tensors, [("RESHAPE", [0, 1], [2], None)], inputs=[0])).outputs == (2,)


def test_warnings_have_an_end(tmp_path: Path) -> None:
    odd = [T([1, 4], "INT8", scale=0.0)] * 200
    (tmp_path / "many.tflite").write_bytes(pack(model_table([T([1, 4]), *odd], [("RELU", [0], [1], None)], inputs=[0])))
    assert len(read_tflite(tmp_path / "many.tflite").warnings) == 100
