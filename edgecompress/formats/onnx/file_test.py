import stat
import sys
from importlib import metadata
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

from edgecompress.errors import ModelFileError
from edgecompress.formats.onnx.file import read_onnx

# The sides are multiples of 32, as the networks ask for; otherwise free.
RAPIDOCR = {
    "ch_PP-OCRv4_det_infer.onnx": (1, 3, 64, 96),
    "ch_PP-OCRv4_rec_infer.onnx": (1, 3, 48, 160),
    "ch_ppocr_mobile_v2.0_cls_infer.onnx": (1, 3, 48, 192),
}
PRODUCTS = {"Conv", "ConvTranspose", "MatMul"}


def rapidocr(name: str) -> Path:
    files = metadata.files("rapidocr-onnxruntime") or []
    return next(Path(str(file.locate())) for file in files if file.name == name)


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    nodes = (node for node in model.graph.node if node.op_type == "Constant")
    return {node.output[0]: numpy_helper.to_array(node.attribute[0].t) for node in nodes}


@pytest.mark.parametrize("name", RAPIDOCR)
def test_counts_what_a_published_model_stores(name):
    path = rapidocr(name)
    model, found = onnx.load(path), read_onnx(path)
    arrays = constants(model)
    # All stored floats but scalars were trained, except the statistics of batch norm and the scales of Resize.
    stored = sum(array.size for array in arrays.values() if array.dtype.kind == "f" and array.size > 1)
    untrained = {"BatchNormalization": (3, 4), "Resize": (2,)}
    for node in model.graph.node:
        stored -= sum(arrays[node.input[i]].size for i in untrained.get(node.op_type, ()) if node.input[i] in arrays)
    assert found.parameters == stored
    assert [layer.kind for layer in found.layers] == [
        node.op_type for node in model.graph.node if node.op_type != "Constant"
    ]
    kernels = {node.name: arrays[node.input[1]] for node in model.graph.node if node.op_type == "Conv"}
    layers = {layer.name: layer for layer in found.layers if layer.kind == "Conv"}
    assert {name: (layer.weights, layer.weight_bits) for name, layer in layers.items()} == {
        name: (kernel.size, 32) for name, kernel in kernels.items()
    }


@pytest.mark.parametrize("name", RAPIDOCR)
def test_inputs_and_outputs_are_those_of_the_runtime(name):
    found, session = read_onnx(rapidocr(name)), onnxruntime.InferenceSession(rapidocr(name))
    for specs, nodes in ((found.inputs, session.get_inputs()), (found.outputs, session.get_outputs())):
        assert [spec.name for spec in specs] == [node.name for node in nodes]
        shapes = [tuple(each if isinstance(each, int) else -1 for each in node.shape) for node in nodes]
        assert [spec.shape for spec in specs] == shapes
        assert {spec.dtype for spec in specs} == {"float32"}


@pytest.mark.parametrize("name", RAPIDOCR)
def test_multiply_adds_are_those_of_the_arrays_that_the_runtime_computes(name, tmp_path):
    model, shape = onnx.load(rapidocr(name)), RAPIDOCR[name]
    source = model.graph.input[0]
    for axis, length in zip(source.type.tensor_type.shape.dim, shape, strict=True):
        axis.dim_value = length
    del model.graph.value_info[:]
    for output in model.graph.output:  # their free axes are fixed now
        output.type.tensor_type.ClearField("shape")
    path = tmp_path / name
    onnx.save(model, path)
    found = read_onnx(path)

    products = [node for node in model.graph.node if node.op_type in PRODUCTS]
    values = constants(model)
    values[source.name] = np.zeros(shape, np.float32)
    wanted = dict.fromkeys(value for node in products for value in (*node.input[:2], node.output[0]))
    have = {*values, *(output.name for output in model.graph.output)}
    model.graph.output.extend(ValueInfoProto(name=value) for value in wanted if value not in have)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    outputs = session.run(None, {source.name: values[source.name]})
    values |= dict(zip([output.name for output in session.get_outputs()], outputs, strict=True))

    expected = {}
    for node in products:
        left, right, output = (values[value] for value in (*node.input[:2], node.output[0]))
        if node.op_type == "MatMul":
            work = output.size * left.shape[-1]
        else:
            work = (output if node.op_type == "Conv" else left).size * prod(right.shape[1:])
        expected[node.name] = work
    assert {layer.name: layer.multiply_adds for layer in found.layers if layer.kind in PRODUCTS} == expected


@pytest.mark.parametrize(
    ("name", "multiply_adds"),
    # as published for an input of 224 x 224: 4.09 G and 19.63 G (torchvision), 349 M (SqueezeNet 1.1), 2.83 G
    [("resnet50", 4089184256), ("vgg19", 19632062464), ("squeezenet", 349151936), ("densenet121", 2834161664)],
)
def test_multiply_adds_of_published_architectures(name, multiply_adds):
    path = Path(onnx.__file__).parent / f"backend/test/data/light/light_{name}.onnx"
    assert read_onnx(path).multiply_adds == multiply_adds


def test_says_what_is_no_file(tmp_path):
    with pytest.raises(ModelFileError, match="is a folder"):
        read_onnx(tmp_path)
    with pytest.raises(ModelFileError, match="does not exist"):
        read_onnx(tmp_path / "none.onnx")


def test_a_file_that_is_no_model_is_an_error_with_its_name(tmp_path):
    path = tmp_path / "text.onnx"
    path.write_text("this is not a model")
    with pytest.raises(ModelFileError, match=r"text\.onnx: It is no ONNX model") as caught:
        read_onnx(path)
    assert caught.value.hint


def test_a_reader_that_takes_too_long_is_an_error():
    with pytest.raises(ModelFileError, match=r"within 0\.001 s"):
        read_onnx(rapidocr("ch_PP-OCRv4_det_infer.onnx"), timeout_s=0.001)


@pytest.mark.parametrize(
    ("script", "said"),
    [("kill -SEGV $$", r"crashed \(SIGSEGV\)"), ("echo no room >&2; exit 9", r"ended \(exit status 9\).*no room")],
)
def test_a_reader_that_dies_is_an_error(script, said, tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(ModelFileError, match=said):
        read_onnx(rapidocr("ch_PP-OCRv4_det_infer.onnx"))


def test_quantization_and_metadata_survive_the_child(tmp_path):
    # the scale is no short decimal: it must come back to the last bit
    scale = float(np.float32(1 / 127.5))
    node = helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"])
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.INT8, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(np.float32(scale), "s"), numpy_helper.from_array(np.int8(-1), "z")],
    )
    model = helper.make_model(graph, producer_name="me", opset_imports=[helper.make_opsetid("", 20)])
    helper.set_model_props(model, {"edgecompress.json": '{"target": "onnx:int8"}'})
    path = tmp_path / "quantized.onnx"
    onnx.save(model, path)
    found = read_onnx(path)
    assert found.format == "onnx"
    assert found.inputs[0].shape == (-1, 4)
    assert (found.inputs[0].quant.scales, found.inputs[0].quant.zero_points) == ((scale,), (-1,))
    assert found.outputs[0].quant is None
    assert found.metadata["edgecompress.json"] == '{"target": "onnx:int8"}'
    assert (found.metadata["producer"], found.metadata["opset"]) == ("me", "20")
