from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic

from edgecompress.convert.onnx.functions import DOMAIN
from edgecompress.errors import ModelFileError
from edgecompress.formats.onnx.file_test import rapidocr
from edgecompress.formats.onnx.summary import summarize
from edgecompress.formats.summary import LayerSummary, ModelSummary
from edgecompress.values import QuantScheme


def read(nodes, inputs, outputs, arrays=None, *, opset=20, functions=(), folder=Path()) -> ModelSummary:
    """Summarize a graph; `inputs` and `outputs` are name -> shape, or (shape, type)."""

    def info(name, what):
        shape, kind = what if isinstance(what, tuple) else (what, TensorProto.FLOAT)
        return helper.make_tensor_value_info(name, kind, shape)

    graph = helper.make_graph(
        nodes,
        "graph",
        [info(*item) for item in inputs.items()],
        [info(*item) for item in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (arrays or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(each, 1) for each in ("mine", "other", DOMAIN))]
    model = helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=9)
    return summarize(model.SerializeToString(), folder)


def only(found: ModelSummary, kind: str) -> LayerSummary:
    (layer,) = (layer for layer in found.layers if layer.kind == kind)
    return layer


def floats(*shape: int) -> np.ndarray:
    return np.arange(1, np.prod(shape) + 1, dtype=np.float32).reshape(shape)


def test_convolution_with_groups():
    # 6 filters over 4 channels in 2 groups: each output is 2 * 3 * 3 products; 8 x 8 places of a valid 3 x 3 in 10 x 10
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], name="conv", group=2)
    found = read([node], {"x": ["N", 4, 10, 10]}, {"y": None}, {"w": floats(6, 2, 3, 3), "b": floats(6)})
    assert found.layers == (
        LayerSummary(
            name="conv",
            kind="Conv",
            output_shape=(-1, 6, 8, 8),
            parameters=6 * 2 * 9 + 6,
            multiply_adds=6 * 8 * 8 * 2 * 9,
            weight_bits=32,
            weights=6 * 2 * 9,
            zero_weights=0,
        ),
    )


def test_the_batch_does_not_count():
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    works = [
        read([node], {"x": [batch, 3, 5, 5]}, {"y": None}, {"w": floats(2, 3, 1, 1)}).multiply_adds
        for batch in ("N", 1, 7)
    ]
    assert works == [2 * 5 * 5 * 3] * 3


def test_transposed_convolution_spreads_its_input():
    node = helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], strides=[2, 2])
    found = read([node], {"x": [1, 3, 4, 5]}, {"y": None}, {"w": floats(3, 2, 3, 3), "b": floats(2)})
    assert found.layers[0].output_shape == (1, 2, 9, 11)
    assert found.multiply_adds == 3 * 4 * 5 * 2 * 9
    assert found.parameters == 3 * 2 * 9 + 2


@pytest.mark.parametrize(
    ("attributes", "x", "w"),
    [({}, ["N", 5], (5, 7)), ({"transB": 1}, ["N", 5], (7, 5)), ({"transA": 1}, [5, 1], (5, 7))],
)
def test_gemm(attributes, x, w):
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], **attributes)
    found = read([node], {"x": x}, {"y": None}, {"w": floats(*w), "b": floats(7)})
    assert (found.multiply_adds, found.parameters) == (35, 35 + 7)


@pytest.mark.parametrize(
    ("left", "right", "output", "multiply_adds"),
    [
        (["N", 5], (5, 7), ["N", 7], 35),
        (["N", 3, 5], (5, 7), ["N", 3, 7], 3 * 35),
        ([5], (5, 7), [7], 35),  # a vector has no batch
        ((4, 5), ["N", 5, 6], ["N", 4, 6], 4 * 5 * 6),  # constant on the left, batch on the right
        ((4, 5), [5, 6], [4, 6], 4 * 5 * 6),  # constant on the left: no batch in the output
        (["N", 2, 3, 5], ["N", 2, 5, 3], ["N", 2, 3, 3], 2 * 3 * 3 * 5),  # attention: no constant at all
        (["N", "T", 5], (5, 7), ["N", "T", 7], 0),  # depends on a free axis
    ],
)
def test_matrix_products(left, right, output, multiply_adds):
    sides = {"a": left, "b": right}
    arrays = {name: floats(*side) for name, side in sides.items() if isinstance(side, tuple)}
    inputs = {name: side for name, side in sides.items() if isinstance(side, list)}
    found = read([helper.make_node("MatMul", ["a", "b"], ["y"])], inputs, {"y": output}, arrays)
    assert found.multiply_adds == multiply_adds
    assert found.parameters == sum(array.size for array in arrays.values())


def test_quantize_dequantize_kernels_are_looked_through():
    # per column: the kernel is zero where its code is the column's zero point; a bias of int32 codes counts, too
    codes = np.array([[1, 5, 0], [0, 5, 3]], np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["w"], axis=1),
        helper.make_node("DequantizeLinear", ["qb", "s"], ["b"], axis=0),
        helper.make_node("Gemm", ["x", "w", "b"], ["y"]),
    ]
    arrays = {"q": codes, "s": floats(3), "z": np.array([0, 5, 3], np.int8), "qb": np.array([7, 8, 9], np.int32)}
    gemm = only(read(nodes, {"x": ["N", 2]}, {"y": None}, arrays), "Gemm")
    assert (gemm.weight_bits, gemm.weights, gemm.zero_weights) == (8, 6, 1 + 2 + 1)
    assert (gemm.parameters, gemm.multiply_adds) == (6 + 3, 6)


def test_quantized_convolution():
    codes = np.full((2, 3, 1, 1), 130, np.uint8)
    codes[0] = 128
    node = helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["y"])
    arrays = {
        **{"xs": np.float32(0.5), "xz": np.uint8(3), "w": codes, "ws": floats(2), "wz": np.array([128, 131], np.uint8)},
        **{"ys": np.float32(0.25), "yz": np.uint8(4), "b": np.array([1, 2], np.int32)},
    }
    inputs, outputs = {"x": ([1, 3, 2, 2], TensorProto.UINT8)}, {"y": ([1, 2, 2, 2], TensorProto.UINT8)}
    found = read([node], inputs, outputs, arrays)
    conv = found.layers[0]
    assert (conv.parameters, conv.multiply_adds) == (6 + 2, 2 * 2 * 2 * 3)
    assert (conv.weight_bits, conv.weights, conv.zero_weights) == (8, 6, 3)
    assert found.inputs[0].quant == QuantScheme((0.5,), (3,))
    assert found.outputs[0].quant == QuantScheme((0.25,), (4,))


@pytest.mark.parametrize(
    ("kind", "names", "output"),
    [
        ("QLinearMatMul", ["x", "s", "xz", "w", "s", "wz", "s", "xz"], TensorProto.UINT8),
        ("MatMulInteger", ["x", "w", "xz", "wz"], TensorProto.INT32),
    ],
)
def test_quantized_matrix_products(kind, names, output):
    codes = np.array([[1, 2], [9, 2], [1, 7]], np.int8)
    arrays = {"w": codes, "s": np.float32(1), "xz": np.uint8(0), "wz": np.array([1, 2], np.int8)}
    inputs, outputs = {"x": ([1, 3], TensorProto.UINT8)}, {"y": (None, output)}
    layer = read([helper.make_node(kind, names, ["y"])], inputs, outputs, arrays).layers[0]
    assert (layer.weight_bits, layer.zero_weights, layer.parameters, layer.multiply_adds) == (8, 2 + 2, 6, 6)


@pytest.mark.parametrize("per_channel", [False, True])
def test_dynamic_quantization_of_a_published_model_keeps_its_parameters(per_channel, tmp_path):
    source = rapidocr("ch_ppocr_mobile_v2.0_cls_infer.onnx")
    model = onnx.load(source)
    for node in [node for node in model.graph.node if node.op_type == "Constant"]:  # else nothing is stored as int8
        tensor = model.graph.initializer.add()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        model.graph.node.remove(node)
    path = tmp_path / "int8.onnx"
    quantize_dynamic(model, path, op_types_to_quantize=["Conv", "MatMul"], per_channel=per_channel)
    before, after = summarize(source.read_bytes(), source.parent), summarize(path.read_bytes(), tmp_path)
    assert after.parameters == before.parameters
    kernels = [layer for layer in after.layers if layer.kind in {"ConvInteger", "MatMulInteger"}]
    assert {layer.weight_bits for layer in kernels} == {8}
    assert sum(layer.weights for layer in kernels) == sum(layer.weights for layer in before.layers)


def test_quantization_at_the_door_is_seen_behind_a_change_of_layout():
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("DequantizeLinear", ["t", "s", "z"], ["r"]),
        helper.make_node("QuantizeLinear", ["r", "s2", "z"], ["q"]),
        helper.make_node("Transpose", ["q"], ["y"], perm=[0, 2, 3, 1]),
    ]
    arrays = {"s": np.float32(0.5), "s2": np.float32(2), "z": np.int8(-7)}
    inputs, outputs = {"x": ([1, 2, 2, 3], TensorProto.INT8)}, {"y": ([1, 2, 2, 3], TensorProto.INT8)}
    found = read(nodes, inputs, outputs, arrays)
    assert found.inputs[0].quant == QuantScheme((0.5,), (-7,))
    assert found.outputs[0].quant == QuantScheme((2.0,), (-7,))
    assert (found.inputs[0].dtype, found.inputs[0].shape) == ("int8", (1, 2, 2, 3))


@pytest.mark.parametrize(
    ("scale", "zero_point"),
    [
        (np.zeros(0, np.float32), np.zeros(0, np.int8)),
        (np.float32(0), np.int8(0)),
        (np.float32("nan"), np.int8(0)),
        (np.float32(1), np.zeros(2, np.int8)),
        (np.array([0.5, np.inf], np.float32), np.zeros(2, np.int8)),
    ],
)
def test_scales_that_are_none_are_not_told(scale, zero_point):
    node = helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"])
    found = read([node], {"x": ([1, 2], TensorProto.INT8)}, {"y": None}, {"s": scale, "z": zero_point})
    assert found.inputs[0].quant is None


def test_one_scale_for_each_channel_at_the_door():
    node = helper.make_node("DequantizeLinear", ["x", "s"], ["y"], axis=1)
    arrays = {"s": np.array([0.5, 2], np.float32)}
    found = read([node], {"x": ([1, 2], TensorProto.INT8)}, {"y": None}, arrays)
    assert found.inputs[0].quant == QuantScheme((0.5, 2.0), (0, 0), 1)


def test_a_float_door_has_no_quantization():
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"]),
    ]
    found = read(nodes, {"x": [1, 2]}, {"y": [1, 2]}, {"s": np.float32(0.5), "z": np.int8(0)})
    assert found.inputs[0].quant is None and found.outputs[0].quant is None


def test_a_kernel_that_two_nodes_share_counts_once_and_its_work_twice():
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], name="first"),
        helper.make_node("Gemm", ["h", "w", "b"], ["y"], name="second"),
    ]
    found = read(nodes, {"x": ["N", 3]}, {"y": None}, {"w": floats(3, 3), "b": floats(3)})
    assert [layer.parameters for layer in found.layers] == [9 + 3, 0]
    assert [layer.multiply_adds for layer in found.layers] == [9, 9]
    assert [layer.weight_bits for layer in found.layers] == [32, 32]


def test_biases_that_are_stored_once_because_they_are_equal_count_for_each_layer():
    nodes = [helper.make_node("Gemm", ["x", "v", "b"], ["h"]), helper.make_node("Gemm", ["h", "w", "b"], ["y"])]
    arrays = {"v": floats(3, 3), "w": -floats(3, 3), "b": np.zeros(3, np.float32)}
    assert read(nodes, {"x": ["N", 3]}, {"y": None}, arrays).parameters == 2 * (9 + 3)


def test_batch_norm_counts_gamma_and_beta_but_no_statistics():
    node = helper.make_node("BatchNormalization", ["x", "g", "b", "m", "v"], ["y"])
    arrays = {name: floats(4) for name in "gbmv"}
    assert read([node], {"x": ["N", 4, 2, 2]}, {"y": None}, arrays).parameters == 8


@pytest.mark.parametrize(
    ("array", "parameters"),
    [(floats(4), 4), (np.float32(3), 0), (np.array([3], np.float32), 0), (np.arange(4), 0)],
)
def test_added_vectors_of_real_numbers_are_biases_and_scalars_are_not(array, parameters):
    kind = helper.np_dtype_to_tensor_dtype(np.asarray(array).dtype)
    node = helper.make_node("Add", ["x", "b"], ["y"])
    assert read([node], {"x": (["N", 4], kind)}, {"y": None}, {"b": array}).parameters == parameters


def test_kernels_in_constant_nodes_and_in_float16():
    kernel = numpy_helper.from_array(np.array([[0, 1], [2, 0]], np.float16))
    nodes = [
        helper.make_node("Constant", [], ["half"], value=kernel),
        helper.make_node("Cast", ["half"], ["w"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    found = read(nodes, {"x": ["N", 2]}, {"y": None})
    assert [layer.kind for layer in found.layers] == ["Cast", "MatMul"]
    matmul = only(found, "MatMul")
    assert (matmul.weight_bits, matmul.weights, matmul.zero_weights) == (16, 4, 2)


def test_nodes_of_nested_graphs_are_layers_that_see_the_constants_around_them():
    branches = {
        name: helper.make_graph(
            [helper.make_node("MatMul", ["x", weights], [name])],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4])],
            [numpy_helper.from_array(floats(3, 4), "inner")],
        )
        for name, weights in (("then_branch", "outer"), ("else_branch", "inner"))
    }
    node = helper.make_node("If", ["c"], ["y"], name="choice", **branches)
    arrays = {"c": np.array(True), "outer": -floats(3, 4)}
    found = read([node], {"x": [1, 3]}, {"y": None}, arrays)
    assert sorted(layer.kind for layer in found.layers) == ["If", "MatMul", "MatMul"]
    assert (found.parameters, found.multiply_adds) == (24, 0)  # one of the branches runs, and nobody knows which
    assert all(layer.uncounted for layer in found.layers)
    assert [layer.graph for layer in found.layers] == ["", "choice", "choice"]


def test_functions_of_the_model_are_taken_apart():
    function = helper.make_function(
        "mine",
        "Dense",
        ["x", "w"],
        ["y"],
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Relu", ["h"], ["y"])],
        [helper.make_opsetid("", 20)],
    )
    nodes = [
        helper.make_node("Dense", ["x", "v"], ["h"], domain="mine"),
        helper.make_node("Dense", ["h", "w"], ["y"], domain="mine"),
    ]
    arrays = {"v": floats(3, 4), "w": floats(4, 5)}
    found = read(nodes, {"x": ["N", 3]}, {"y": None}, arrays, functions=[function])
    assert [layer.kind for layer in found.layers] == ["MatMul", "Relu", "MatMul", "Relu"]
    assert (found.parameters, found.multiply_adds) == (32, 32)


def test_operators_of_unknown_domains_keep_their_name_and_count_nothing():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["h"], domain="other"),
        helper.make_node("Relu", ["h"], ["y"]),
    ]
    found = read(nodes, {"x": ["N", 3]}, {"y": ["N", 3]}, {"w": floats(3, 3)})
    assert [layer.kind for layer in found.layers] == ["other.Conv", "Relu"]
    assert (found.parameters, found.layers[0].output_shape) == (0, (-1,))


def test_initializers_that_are_listed_as_inputs_are_none():
    node = helper.make_node("Add", ["x", "b"], ["y"])
    found = read([node], {"x": ["N", 2], "b": [2]}, {"y": None}, {"b": floats(2)})
    assert [spec.name for spec in found.inputs] == ["x"]


@pytest.mark.parametrize("opset", [11, 13, 20])
def test_shapes_that_the_model_computes_are_followed(opset):
    # flatten by Shape -> Gather -> Concat -> Reshape, as many exporters write it
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["batch"]),
        helper.make_node("Concat", ["batch", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    arrays = {"first": np.array([0]), "rest": np.array([12]), "w": floats(12, 5)}
    found = read(nodes, {"x": [1, 3, 4]}, {"y": None}, arrays, opset=opset)
    assert only(found, "MatMul").output_shape == (1, 5)
    assert found.multiply_adds == 60


def test_external_data_is_read_from_the_folder_of_the_model(tmp_path):
    kernel = floats(40, 50)
    kernel[:10] = 0
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "g",
        [info("x", TensorProto.FLOAT, ["N", 40])],
        [info("y", TensorProto.FLOAT, ["N", 50])],
        [numpy_helper.from_array(kernel, "w")],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph), path, save_as_external_data=True, location="model.bin", size_threshold=0)
    found = summarize(path.read_bytes(), tmp_path)
    assert (found.layers[0].zero_weights, found.parameters, found.multiply_adds) == (500, 2000, 2000)
    assert found.metadata["external_data"] == "model.bin"
    (tmp_path / "model.bin").unlink()
    with pytest.raises(ModelFileError, match=r"'w' lies in 'model\.bin', which is not in the model's folder"):
        summarize(path.read_bytes(), tmp_path)


def test_many_tensors_cannot_name_one_file_over_and_over(tmp_path):
    (tmp_path / "data").write_bytes(bytes(400))
    tensors = []
    for number in range(5):
        tensor = TensorProto(name=f"w{number}", data_type=TensorProto.FLOAT, dims=[100])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="data")
        tensors.append(tensor)
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [100])
    nodes = [helper.make_node("Sum", [tensor.name for tensor in tensors], ["y"])]

    def summary(count):
        graph = helper.make_graph(nodes, "g", [], [output], tensors[:count])
        return summarize(helper.make_model(graph).SerializeToString(), tmp_path)

    assert summary(4).layers[0].kind == "Sum"
    with pytest.raises(ModelFileError, match="far more bytes of 'data'"):
        summary(5)
