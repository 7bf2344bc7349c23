import numpy as np
import pytest
from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from edgecompress.errors import ModelFileError
from edgecompress.formats.onnx import graph as onnx_graph
from edgecompress.formats.onnx.graph import infer_shapes, parse_model

OUTPUT = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
OPSETS = [helper.make_opsetid("", 20), helper.make_opsetid("mine", 1)]


def model(nodes, functions=(), initializers=()) -> ModelProto:
    graph = helper.make_graph(nodes, "g", [], [OUTPUT], initializers)
    return helper.make_model(graph, functions=functions, opset_imports=OPSETS)


def function(name: str, calls: list[str]) -> FunctionProto:
    nodes = [helper.make_node(call, ["x"], [f"v{i}"], domain="mine") for i, call in enumerate(calls)]
    last = nodes[-1].output[0] if nodes else "x"
    return helper.make_function("mine", name, ["x"], ["y"], [*nodes, helper.make_node("Relu", [last], ["y"])], OPSETS)


def test_a_model_comes_back_as_it_is():
    original = model([helper.make_node("Relu", ["x"], ["y"])])
    assert parse_model(original.SerializeToString()) == original


@pytest.mark.parametrize("content", [b"", b"\0\0\0\0", b"plain text", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_model(content):
    with pytest.raises(ModelFileError, match="no ONNX model"):
        parse_model(content)


def test_a_model_that_is_cut_short():
    content = model([helper.make_node("Relu", ["x"], ["y"])]).SerializeToString()
    for length in range(len(content)):
        try:
            parse_model(content[:length])
        except ModelFileError:
            continue
        # protobuf cannot tell where the next field was to follow: what is left is then a whole model
        assert ModelProto.FromString(content[:length]).graph.output


def test_a_function_that_calls_itself():
    found = model([helper.make_node("F", ["x"], ["y"], domain="mine")], [function("F", ["F"])])
    with pytest.raises(ModelFileError, match="call themselves"):
        parse_model(found.SerializeToString())


def test_functions_that_grow_without_end():
    # each calls the next ten times: ten functions stand for 10^10 nodes
    functions = [function(f"F{i}", [f"F{i + 1}"] * 10) for i in range(10)] + [function("F10", [])]
    found = model([helper.make_node("F0", ["x"], ["y"], domain="mine")], functions)
    with pytest.raises(ModelFileError, match=r"\d{11} nodes and tensors; the limit"):
        parse_model(found.SerializeToString())


def test_graphs_that_are_nested_too_deep():
    node = NodeProto(op_type="Relu", input=["x"], output=["y"])
    for _ in range(onnx_graph.MAX_DEPTH + 1):
        graph = helper.make_graph([node], "g", [], [OUTPUT])
        node = NodeProto(op_type="Loop", output=["y"])
        node.attribute.add(name="body", type=AttributeProto.GRAPH).g.CopyFrom(graph)
    content = model([node]).SerializeToString()
    with pytest.raises(ModelFileError, match="nested more than 16 deep"):
        parse_model(content)


def test_a_model_of_too_many_nodes(monkeypatch):
    monkeypatch.setattr(onnx_graph, "MAX_PARTS", 10)
    weights = [numpy_helper.from_array(np.float32(1), f"w{i}") for i in range(5)]
    nodes = [helper.make_node("Relu", ["x"], [f"v{i}"]) for i in range(5)]
    assert parse_model(model(nodes, initializers=weights).SerializeToString()).graph.node
    with pytest.raises(ModelFileError, match="11 nodes and tensors; the limit is 10"):
        parse_model(model([*nodes, nodes[0]], initializers=weights).SerializeToString())


def test_shapes_are_inferred_without_the_data_of_kernels():
    kernel = numpy_helper.from_array(np.ones((64, 10), np.float32), "w")
    found = model([helper.make_node("MatMul", ["x", "w"], ["h"])], initializers=[kernel])
    found.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 64]))
    inferred = infer_shapes(found)
    (value,) = (value for value in inferred.graph.value_info if value.name == "h")
    assert [dim.dim_value for dim in value.type.tensor_type.shape.dim] == [0, 10]
    assert not inferred.graph.initializer[0].raw_data
    assert found.graph.initializer[0] == kernel  # and the model that was given keeps its own


def test_a_model_without_consistent_shapes_keeps_what_it_says():
    found = model([helper.make_node("MatMul", ["x", "x"], ["y"])])
    found.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3]))
    assert list(infer_shapes(found).graph.node) == list(found.graph.node)
