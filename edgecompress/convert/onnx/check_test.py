"""Files that break one rule each are refused by name; what is let through, ONNX Runtime opens and runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgecompress.convert.onnx import check
from edgecompress.convert.onnx.check import check_onnx
from edgecompress.convert.onnx.emit import emit_onnx
from edgecompress.convert.onnx.emit_test import convolutions
from edgecompress.convert.onnx.functions_test import CASES as BINARY_CASES
from edgecompress.errors import ConversionError
from edgecompress.testing.tflite_files import T, build, options

FUZZED_FILES = 300


def int8_model() -> ModelProto:
    return onnx.load_from_string(emit_onnx(convolutions(quantized=True, activation=3)))


def float_model() -> ModelProto:
    return onnx.load_from_string(emit_onnx(convolutions(activation=3)))


def binary_model() -> ModelProto:
    return BINARY_CASES["odd channels"].model()


def moving_model() -> ModelProto:
    """Pad, reflected Pad, Gather, transposed convolution and average pool."""
    pads = np.array([[0, 0], [1, 1], [2, 1], [0, 0]], np.int32)
    kernel, shape = np.ones((2, 2, 2, 3), np.float32), np.array([1, 22, 22, 2], np.int32)
    tensors = [
        *(T([1, 5, 5, 3], name="x"), T(pads.shape, "INT32", data=pads), T([1, 7, 8, 3])),
        *(T([1, 9, 11, 3]), T([2], "INT32", data=np.array([3, 1], np.int32)), T([1, 9, 2, 3])),
        *(T([1, 5, 2, 3]), T([4], "INT32", data=shape), T(kernel.shape, data=kernel), T([1, 10, 4, 2])),
    ]
    pool = {"padding": 0, "strideH": 2, "strideW": 1, "filterHeight": 2, "filterWidth": 2}
    operators = [
        ("PAD", [0, 1], [2], options("PadOptions")),
        ("MIRROR_PAD", [2, 1], [3], options("MirrorPadOptions")),
        ("GATHER", [3, 4], [5], options("GatherOptions", axis=2)),
        ("AVERAGE_POOL_2D", [5], [6], options("Pool2DOptions", **pool)),
        ("TRANSPOSE_CONV", [7, 8, 6], [9], options("TransposeConvOptions", padding=0, strideH=2, strideW=2)),
    ]
    return onnx.load_from_string(emit_onnx(build(tensors, operators)))


def node(model: ModelProto, kind: str) -> NodeProto:
    return next(each for each in model.graph.node if each.op_type == kind)


def constant(model: ModelProto, kind: str, position: int, array: Any) -> None:
    """Give a node a constant of its own."""
    name = f"changed{len(model.graph.initializer)}"
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    changed = node(model, kind)
    changed.input.extend([""] * (position + 1 - len(changed.input)))
    changed.input[position] = name


def attribute(model: ModelProto, kind: str, name: str, value: Any) -> None:
    changed = node(model, kind)
    kept = [each for each in changed.attribute if each.name != name]
    del changed.attribute[:]
    changed.attribute.extend([*kept, helper.make_attribute(name, value)])


def rename(values: Any, index: int, name: str) -> None:
    values[index].name = name


def without_function(model: ModelProto, name: str) -> None:
    kept = [each for each in model.functions if each.name != name]
    del model.functions[:]
    model.functions.extend(kept)


def external(model: ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def kernel_of(model: ModelProto, value: float) -> np.ndarray:
    """The first kernel with one number changed."""
    tensor = next(each for each in model.graph.initializer if each.name == node(model, "Conv").input[1])
    array = numpy_helper.to_array(tensor).copy()
    array.reshape(-1)[3] = value
    return array


Change = Callable[[ModelProto], Any]
FAULTS: dict[str, tuple[Callable[[], ModelProto], Change, str]] = {
    "future opset": (float_model, lambda m: setattr(m.opset_import[0], "version", 99), "opset 99, where 18 to"),
    "old opset": (float_model, lambda m: setattr(m.opset_import[0], "version", 12), "opset 12, where 18 to"),
    "two opsets": (float_model, lambda m: m.opset_import.add(domain="ai.onnx", version=20), "several versions"),
    "no opset": (float_model, lambda m: m.ClearField("opset_import"), "opset 0"),
    "old format": (float_model, lambda m: setattr(m, "ir_version", 7), "version 7, where 9 to"),
    "future format": (float_model, lambda m: setattr(m, "ir_version", 99), "version 99"),
    "domain": (float_model, lambda m: setattr(m.graph.node[0], "domain", "com.other"), "'com.other', of no version"),
    "operator": (float_model, lambda m: setattr(m.graph.node[0], "op_type", "Unheard"), "Unheard"),
    "two nodes": (float_model, lambda m: rename(m.graph.node, 1, m.graph.node[0].name), "two nodes are named"),
    "two values": (
        float_model, lambda m: m.graph.node[2].output.__setitem__(0, m.graph.node[1].output[0]), "two values are named"
    ),
    "two outputs": (float_model, lambda m: m.graph.output.append(m.graph.output[0]), "two outputs are named"),
    "lost input": (float_model, lambda m: m.graph.node[1].input.__setitem__(0, "lost"), "reads 'lost', which nothing"),
    "lost output": (float_model, lambda m: rename(m.graph.output, 0, "lost"), "nothing makes the output 'lost'"),
    "order": (float_model, lambda m: m.graph.node.append(m.graph.node.pop(0)), "sorted"),
    "external data": (float_model, external, "lies in another file"),
    "short data": (
        float_model, lambda m: setattr(m.graph.initializer[0], "raw_data", b"1234"), r"4|raw_data"
    ),
    "shape of an output": (
        float_model,
        lambda m: setattr(m.graph.output[0].type.tensor_type.shape.dim[1], "dim_value", 7),
        r"[Ii]nferred shape and existing shape differ",
    ),
    "type of an output": (
        float_model, lambda m: setattr(m.graph.output[0].type.tensor_type, "elem_type", 7), "existing elem type"
    ),
    "NaN": (float_model, lambda m: constant(m, "Conv", 1, kernel_of(m, np.nan)), r"\(Conv\).*holds NaN"),
    "infinity": (float_model, lambda m: constant(m, "Conv", 1, kernel_of(m, -np.inf)), r"\(Conv\).*holds infinity"),
    "NaN as a bound": (float_model, lambda m: constant(m, "Clip", 1, np.float32(np.nan)), r"\(Clip\).*holds NaN"),
    "bounds": (float_model, lambda m: constant(m, "Clip", 1, np.float32(9)), r"\(Clip\): its bounds are 9.0 and 6.0"),
    "shape of a bound": (float_model, lambda m: constant(m, "Clip", 1, np.zeros(1, np.float32)), r"\(Clip\)"),
    "type of a bound": (float_model, lambda m: constant(m, "Clip", 1, np.int32(0)), r"Clip.*int32"),
    "type of a kernel": (
        float_model, lambda m: constant(m, "Conv", 1, kernel_of(m, 0).astype(np.float16)), r"Conv.*float16"
    ),
    "type of a bias": (float_model, lambda m: constant(m, "Conv", 2, np.zeros(4, np.int32)), r"int32"),
    "channels": (float_model, lambda m: constant(m, "Conv", 1, np.ones((4, 2, 3, 3), np.float32)), r"Conv"),
    "groups": (float_model, lambda m: attribute(m, "Conv", "group", 3), r"Conv"),
    "no group": (float_model, lambda m: attribute(m, "Conv", "group", 0), r"Conv"),
    "length of a bias": (
        float_model, lambda m: constant(m, "Conv", 2, np.zeros(5, np.float32)), r"bias has the shape \(5,\) for 4"
    ),
    "kernel_shape": (float_model, lambda m: attribute(m, "Conv", "kernel_shape", [2, 2]), r"kernel_shape|differ"),
    "strides": (float_model, lambda m: attribute(m, "Conv", "strides", [0, 1]), r"strides|zero"),
    "number of strides": (float_model, lambda m: attribute(m, "Conv", "strides", [1]), r"strides"),
    "window of a pool": (float_model, lambda m: attribute(m, "MaxPool", "pads", [2, 0, 0, 0]), r"pads|differ"),
    "scale of 0": (
        int8_model, lambda m: constant(m, "QuantizeLinear", 1, np.float32(0)), r"\(QuantizeLinear\): its scale is 0"
    ),
    "negative scale": (int8_model, lambda m: constant(m, "DequantizeLinear", 1, np.float32(-1)), "its scale is -1"),
    "infinite scale": (int8_model, lambda m: constant(m, "DequantizeLinear", 1, np.float32(np.inf)), "scale is inf"),
    "NaN as scale": (int8_model, lambda m: constant(m, "QuantizeLinear", 1, np.float32(np.nan)), "NaN"),
    "type of a scale": (int8_model, lambda m: constant(m, "QuantizeLinear", 1, np.float64(1)), "QuantizeLinear"),
    "type of a zero point": (
        int8_model, lambda m: constant(m, "DequantizeLinear", 2, np.uint8(3)), r"DequantizeLinear.*uint8"
    ),
    "shape of a zero point": (
        int8_model, lambda m: constant(m, "DequantizeLinear", 2, np.zeros(2, np.int8)), r"zero point has the shape"
    ),
    "wide zero point": (int8_model, lambda m: constant(m, "QuantizeLinear", 2, np.int32(3)), "int32"),
    "scales of an axis": (
        int8_model,
        lambda m: [constant(m, "QuantizeLinear", 1, np.ones(2, np.float32)),
                   constant(m, "QuantizeLinear", 2, np.zeros(2, np.uint8))],
        r"scale has the shape \(2,\) for axis 1",
    ),
    "border": (moving_model, lambda m: constant(m, "Pad", 1, np.array([0, 1, 1])), r"Pad"),
    "negative border": (moving_model, lambda m: constant(m, "Pad", 1, np.array([0, -9, 0, 0] * 2)), r"differ|Pad"),
    "type of a border": (moving_model, lambda m: constant(m, "Pad", 1, np.zeros(8, np.int32)), r"Pad.*int64"),
    "type of a filling": (moving_model, lambda m: constant(m, "Pad", 2, np.float64(0)), r"double"),
    "index": (moving_model, lambda m: constant(m, "Gather", 1, np.array([11, 1])), r"from 1 to 11 along an axis of 11"),
    "negative index": (moving_model, lambda m: constant(m, "Gather", 1, np.array([-12, 1])), r"from -12 to 1"),
    "type of an index": (moving_model, lambda m: constant(m, "Gather", 1, np.float32([1, 1])), r"float"),
    "channels of a transposed kernel": (
        moving_model, lambda m: constant(m, "ConvTranspose", 1, np.ones((2, 2, 2, 2), np.float32)), "ConvTranspose"
    ),
    "average of borders": (
        moving_model, lambda m: attribute(m, "AveragePool", "pads", [0, 0, 2, 1]), r"AveragePool|differ"
    ),
    "function": (binary_model, lambda m: without_function(m, "BinaryConv2d"), "BinaryConv2d, and does not define it"),
    "another function": (
        binary_model, lambda m: setattr(m.functions[0].node[0], "op_type", "Neg"), "is not the one that is meant"
    ),
    "version of functions": (
        binary_model, lambda m: [setattr(e, "version", 2) for e in m.opset_import if e.domain], "not of version 1"
    ),
    "channels of bits": (binary_model, lambda m: attribute(m, "BinaryConv2d", "channels", 90), "bytes a pixel for 90"),
    "borders of bits": (binary_model, lambda m: attribute(m, "BinaryConv2d", "pads", [0, 0]), "BinaryConv2d"),
    "multiplier": (
        binary_model, lambda m: constant(m, "BinaryConv2d", 2, np.ones(2, np.float32)), "one number for each"
    ),
    "NaN in a multiplier": (
        binary_model, lambda m: constant(m, "BinaryConv2d", 2, np.full(filters(m), np.nan, np.float32)), "holds NaN"
    ),
    "threshold": (
        binary_model, lambda m: constant(m, "BinaryConv2dBits", 2, np.ones(filters(m), np.int64)), "one number for each"
    ),
}  # fmt: skip


def filters(model: ModelProto) -> int:
    kernel = node(model, "BinaryConv2d").input[1]
    return next(each.dims[0] for each in model.graph.initializer if each.name == kernel)


@pytest.mark.parametrize("make", [int8_model, float_model, binary_model, moving_model])
def test_what_is_emitted_is_let_through(make: Callable[[], ModelProto]) -> None:
    check_onnx(make().SerializeToString())


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name: str) -> None:
    make, change, problem = FAULTS[name]
    model = make()
    change(model)
    with pytest.raises(ConversionError, match=problem) as caught:
        check_onnx(model.SerializeToString())
    assert caught.value.message.startswith("The ONNX file that was made is not valid, and was not kept: ")
    assert "please report it" in caught.value.hint


def test_what_is_no_model_is_refused() -> None:
    for content in (b"", b"nothing", int8_model().SerializeToString()[:-9]):
        with pytest.raises(ConversionError):
            check_onnx(content)


def test_what_others_operators_do_is_not_judged() -> None:
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")], "graph", *([e] for e in info)
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    check_onnx(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())


def test_a_file_that_breaks_a_rule_is_not_emitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(check._RULES, "Conv", lambda node, facts: "it is a test")
    with pytest.raises(ConversionError, match=r"the node 'first/Conv' \(Conv\): it is a test"):
        emit_onnx(convolutions())


def twisted(model: ModelProto, random: np.random.Generator) -> bytes:
    """The model with an attribute, a length, a type or an integer constant that says something else."""
    extremes = [-(2**63), -(2**31), -2, -1, 0, 1, 2, 3, 4, 7, 2**16, 2**31, 2**63 - 1]
    value = int(random.choice(np.array(extremes, np.int64)))
    lists = [each for node in model.graph.node for each in node.attribute if each.ints]
    numbers = [each for node in model.graph.node for each in node.attribute if each.type == onnx.AttributeProto.INT]
    tensors = list(model.graph.initializer)
    match random.integers(5):
        case 0 if lists:
            changed = lists[random.integers(len(lists))]
            changed.ints[random.integers(len(changed.ints))] = value
        case 1 if numbers:
            numbers[random.integers(len(numbers))].i = value
        case 2:
            tensor = tensors[random.integers(len(tensors))]
            array = numpy_helper.to_array(tensor)
            tensor.CopyFrom(numpy_helper.from_array(array.astype(random.choice(["i1", "u1", "i4", "f4"])), tensor.name))
        case 3:
            tensor = tensors[random.integers(len(tensors))]
            array = numpy_helper.to_array(tensor).copy()
            array.reshape(-1)[random.integers(array.size)] = min(max(value, -128), 127) % 128
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        case _:
            first, second = (model.graph.node[random.integers(len(model.graph.node))] for _ in range(2))
            first.input[0] = second.input[-1]
    return model.SerializeToString()


@pytest.mark.parametrize("make", [int8_model, float_model, moving_model])
def test_files_that_are_let_through_are_opened_and_run(make: Callable[[], ModelProto]) -> None:
    random, ran, refused = np.random.default_rng(5), 0, 0
    session_options = onnxruntime.SessionOptions()
    session_options.log_severity_level, session_options.intra_op_num_threads = 4, 1
    for _ in range(FUZZED_FILES):
        content = twisted(make(), random)
        try:
            check_onnx(content)
        except ConversionError:
            refused += 1
            continue
        session = onnxruntime.InferenceSession(content, session_options, providers=["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        session.run(None, {given.name: np.ones(given.shape, {"tensor(float)": np.float32}.get(given.type, np.int8))})
        ran += 1
    assert min(ran, refused) > 10
