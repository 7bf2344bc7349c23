"""Damaged files: the bytes of a small model with everything in it are changed, and its fields by their types."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from edgecompress.errors import EdgeCompressError
from edgecompress.formats.onnx.summary import summarize
from edgecompress.formats.summary import ModelSummary
from edgecompress.storage import to_json

SEEDS = range(400)
INTEGERS = (0, 1, -1, 2, 7, 127, 1 << 31, -(1 << 31), (1 << 63) - 1, -(1 << 63), 65)
TEXTS = (
    "",
    "x",
    "w",
    "q",
    "m",
    "y",
    "If",
    "Loop",
    "Conv",
    "MatMul",
    "QLinearConv",
    "LSTM",
    "Constant",
    "Twice",
    "a" * 5000,
)
FLOATS = (0.0, 1.0, -1.0, float("nan"), float("inf"))


def small_model(opset: int) -> ModelProto:
    """Convolution, dequantized kernel, computed shape, nested graphs, a function of its own."""
    output = helper.make_tensor_value_info("t", TensorProto.FLOAT, [1, 5])
    branches = {
        "then_branch": [helper.make_node("Add", ["m", "one"], ["t"])],
        "else_branch": [helper.make_node("Identity", ["m"], ["t"])],
    }
    one = numpy_helper.from_array(np.ones(5, np.float32), "one")
    graphs = {name: helper.make_graph(nodes, name, [], [output], [one]) for name, nodes in branches.items()}
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("mine", 1)]
    two = helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(np.float32(2)))
    twice = helper.make_function(
        "mine", "Twice", ["v"], ["u"], [two, helper.make_node("Mul", ["v", "k"], ["u"])], opsets[:1]
    )
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[3, 3], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c"], ["g"]),
        helper.make_node("Reshape", ["g", "shape"], ["r"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], axis=1),
        helper.make_node("MatMul", ["r", "d"], ["m"]),
        helper.make_node("If", ["yes"], ["i"], **graphs),
        helper.make_node("Twice", ["i"], ["y"], domain="mine"),
    ]
    arrays = {
        **{"w": np.ones((4, 3, 3, 3), np.float32), "b": np.zeros(4, np.float32), "shape": np.array([1, 4])},
        **{"q": np.ones((4, 5), np.int8), "s": np.full(5, 0.1, np.float32), "z": np.arange(5, dtype=np.int8)},
        "yes": np.array(True),
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 5])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, functions=[twice], opset_imports=opsets, ir_version=9)


def changed_bytes(content: bytes, chance: random.Random) -> bytes:
    start, length = chance.randrange(len(content)), chance.randrange(1, 40)
    match chance.randrange(4):
        case 0:
            return content[:start]
        case 1:
            return content[:start] + content[start + length :]
        case 2:
            other = chance.randrange(len(content))
            return content[:start] + content[other : other + length] + content[start:]
    data = bytearray(content)
    for _ in range(chance.randrange(1, 6)):
        data[chance.randrange(len(data))] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    return bytes(data)


def messages(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type:
            for each in value if field.is_repeated else [value]:
                yield from messages(each)


def value_for(field: Any, chance: random.Random) -> Any:
    kind = field.cpp_type
    if kind in {field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE}:
        return chance.choice(FLOATS)
    if kind == field.CPPTYPE_STRING:
        return (
            chance.randbytes(chance.choice((0, 1, 20, 432))) if field.type == field.TYPE_BYTES else chance.choice(TEXTS)
        )
    number = chance.choice(INTEGERS)
    if kind in {field.CPPTYPE_UINT32, field.CPPTYPE_UINT64}:
        return abs(number)
    return number if kind == field.CPPTYPE_INT64 else max(-(1 << 31), min(number, (1 << 31) - 1))


def change_field(model: ModelProto, chance: random.Random) -> None:
    """Remove, repeat or replace one thing, somewhere."""
    message = chance.choice(list(messages(model)))
    present = [field for field, _ in message.ListFields()]
    field = chance.choice(present if present and chance.random() < 0.8 else message.DESCRIPTOR.fields)
    value = getattr(message, field.name)
    if field.is_repeated and len(value) and chance.random() < 0.4:
        del value[chance.randrange(len(value))]
    elif field.message_type and field.is_repeated:
        value.add().CopyFrom(chance.choice(value)) if len(value) else value.add()
    elif field.message_type:
        message.ClearField(field.name) if chance.random() < 0.5 else value.SetInParent()
    elif field.is_repeated:
        value.append(value_for(field, chance))
    elif field.enum_type is None:
        setattr(message, field.name, value_for(field, chance))
    else:
        setattr(message, field.name, chance.choice(field.enum_type.values).number)


def outcome(content: bytes) -> str:
    """Whether a file was read; anything but a summary and a clear error fails the test."""
    try:
        found = summarize(content, Path("no folder"))
    except EdgeCompressError as error:
        assert error.message
        return "refused"
    assert isinstance(found, ModelSummary)
    assert found.parameters >= 0 and found.multiply_adds >= 0
    assert all(0 <= layer.zero_weights <= layer.weights for layer in found.layers)
    to_json(found)
    return "read"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("opset", [12, 20])
def test_changed_bytes(opset):
    content = small_model(opset).SerializeToString()
    found = [outcome(changed_bytes(content, random.Random(seed))) for seed in SEEDS]
    assert set(found) == {"read", "refused"}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("opset", [12, 20])
def test_changed_fields(opset):
    original, found = small_model(opset), []
    for seed in SEEDS:
        model, chance = ModelProto(), random.Random(seed)
        model.CopyFrom(original)
        for _ in range(chance.randrange(1, 8)):
            change_field(model, chance)
        found.append(outcome(model.SerializeToString()))
    assert set(found) == {"read", "refused"}


def test_the_model_that_is_changed_can_be_read():
    found = summarize(small_model(20).SerializeToString(), Path("no folder"))
    assert [layer.kind for layer in found.layers] == [
        *("Conv", "GlobalAveragePool", "Reshape", "DequantizeLinear", "MatMul", "If", "Identity", "Add", "Mul")
    ]
