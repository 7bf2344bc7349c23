import json

import pytest

from edgecompress.errors import ModelFileError
from edgecompress.formats.keras.allowed.code import code_in, judge


def sequential(*layers):
    return {"class_name": "Sequential", "config": {"name": "model", "layers": list(layers)}}


def entry(kind, name, **config):
    return {"class_name": kind, "config": {"name": name, **config}}


def carriers(config):
    return tuple(dict.fromkeys(code.layer for code in code_in(config)))


@pytest.mark.parametrize(
    "layer",
    [
        entry("Lambda", "x", function=["4wEAAAA=", None, None], function_type="lambda"),
        entry("Lambda", "x", function={"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}),
        {"module": "keras.layers", "registered_name": None, **entry("Lambda", "x")},
        entry("mine>Lambda", "x"),
        entry("Activation", "x", activation={"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}),
        entry("Activation", "x", activation={"module": "os", "class_name": "function", "config": "system"}),
        entry("Activation", "x", activation={"module": "builtins", "class_name": "function", "config": "eval"}),
        {"module": "subprocess", **entry("Popen", "x")},
        {"module": "keras_evil", **entry("Dense", "x")},
        {"module": "larq.layers", "registered_name": None, **entry("QuantDense", "x")},
        {"module": "larq.evil", **entry("Evil", "x")},
        {"module": "os", "registered_name": "Popen", **entry("QuantDense", "x")},
        {"module": "os", "registered_name": "QuantDense", **entry("popen", "x")},
        {"module": "larq.layers", **entry("QuantDense", "x", activation={"class_name": "Lambda"})},
        entry("Dense", "x", kernel_quantizer={"class_name": "Lambda"}),
        # what Keras and TensorFlow have themselves, and is no layer that only computes
        {"module": "keras.utils", "registered_name": None, **entry("get_file", "x")},
        {"module": "keras.utils", **entry("Dense", "x")},
        {"module": "tf_keras.src.utils.data_utils", **entry("Dense", "x")},
        {"module": "tensorflow", **entry("Module", "x")},
        {"module": "tensorflow.python.ops.script_ops", **entry("EagerFunc", "x")},
        {"module": "edgecompress.runtimes.worker", **entry("Worker", "x")},
        {"module": "keras.layers", "registered_name": "Custom>Adam", **entry("Dense", "x")},
        {"module": ["keras.layers"], **entry("Dense", "x")},
        {"module": "keras.layers\n", **entry("Dense", "x")},
        {"module": "keras.src.applications.convnext", **entry("ConvNeXt", "x")},
        {"module": "os", **entry("LayerScale", "x")},
        {"module": "keras.layers.", **entry("Dense", "x")},
        {"module": "keras.layers", **entry("TFSMLayer", "x", filepath="/tmp/model")},
        {"module": "keras.layers", **entry("TorchModuleWrapper", "x", module="gASV")},
        entry("StringLookup", "x", vocabulary="/etc/passwd"),
        entry("TextVectorization", "x", vocabulary="/etc/passwd"),
        entry("DenseFeatures", "x", feature_columns=[{"class_name": "VocabularyFileCategoricalColumn"}]),
        entry("ModuleWrapper", "x", method_name="__reduce__"),
        entry("DeviceWrapper", "x"),
        entry("AddMetric", "x"),
        entry("Input", "x"),
        entry("concatenate", "x", inputs=[]),
        {"class_name": 3, "config": {"name": "x"}},
        {"class_name": None, "config": {"name": "x"}},
        {"class_name": ["Dense"], "config": {"name": "x"}},
        # the doors of TensorFlow's functions
        entry("TFOpLambda", "x", function="io.write_file"),
        entry("TFOpLambda", "x", function="compat.v1.write_file"),
        entry("TFOpLambda", "x", function="raw_ops.WriteFile"),
        entry("TFOpLambda", "x", function="keras.utils.get_file"),
        entry("TFOpLambda", "x", function=["math.add"]),
        entry("TFOpLambda", "x"),
        entry("SlicingOpLambda", "x", function="io.read_file"),
        {"module": "os", **entry("TFOpLambda", "x", function="math.add")},
        {"registered_name": "Popen", **entry("TFOpLambda", "x", function="math.add")},
        entry("ClassMethod", "x", cls_ref="io.gfile.GFile", method_name="write"),
        entry("ClassMethod", "x", cls_symbol="RaggedTensor", method_name="from_tensor"),
        entry("InstanceMethod", "x", attr_name="numpy"),
        entry("InstanceProperty", "x", attr_name="__class__"),
        entry("TensorFlowOpLayer", "x", node_def={"op": "WriteFile", "name": "x"}),
        entry("TensorFlowOpLayer", "x", node_def="CgFhEglXcml0ZUZpbGU="),
        # objects in the places of values
        entry("Dense", "x", kernel_initializer={"class_name": "load_model", "config": {"filepath": "/tmp/x"}}),
        entry("Dense", "x", kernel_initializer={"module": "os", "class_name": "Zeros", "config": {}}),
        entry("Dense", "x", kernel_regularizer="deserialize"),
        entry("Dense", "x", bias_constraint={"class_name": "get", "config": {}}),
        entry("Dense", "x", activation="keras_export"),
        entry("LSTM", "x", recurrent_activation="get"),
        entry("Bidirectional", "x", layer=entry("LSTM", "x", recurrent_initializer="deserialize")),
        entry("RNN", "x", cell={"class_name": "DropoutWrapper", "config": {}}),
        entry("Dense", "x", dtype={"module": "os", "class_name": "Policy", "config": {"name": "float32"}}),
        entry("InputLayer", "x", type_spec={"class_name": "__typespec__", "config": [], "module": "os"}),
        entry("InputLayer", "x", type_spec={"class_name": "TypeSpec", "type_spec": "tf.TensorSpec", "serialized": []}),
        entry("PruneLowMagnitude", "x", pruning_schedule={"class_name": "prune_scope", "config": {}}),
        entry("QuantizeWrapperV2", "x", quantize_config={"class_name": "quantize_apply", "config": {"model": 1}}),
        entry("FixedQuantizeConfig", "x", config={"class_name": "Lambda", "config": {}}),
        {**entry("Dense", "x"), "build_config": {"input_shape": {"class_name": "CompositeTensor"}}},
        {**entry("TFOpLambda", "x", function="math.add"),
         "inbound_nodes": [[["a", 0, 0, {"y": {"class_name": "CompositeTensor", "spec": 1, "tensors": []}}]]]},
        {**entry("Mean", "x"), "module": "keras.src.ops.numpy",
         "inbound_nodes": [{"args": [{"class_name": "function", "module": "os", "config": "system"}], "kwargs": {}}]},
        {"module": "keras.src.ops.core", **entry("Map", "x")},
        {"module": "keras.src.ops.core", **entry("WhileLoop", "x", cond={"class_name": "__lambda__"})},
    ],
    ids=str,
)  # fmt: skip
def test_code_is_named_by_its_layer(layer):
    assert carriers(sequential(entry("Dense", "first"), layer)) == ("x",)


def test_code_in_nested_models_and_wrappers():
    inner = sequential(entry("TimeDistributed", "wrapper", layer=entry("Lambda", "deep")))
    assert carriers(sequential(entry("Lambda", "a"), inner, entry("Lambda", "z"))) == ("a", "deep", "z")


@pytest.mark.parametrize(
    "layer",
    [
        entry("TFOpLambda", "x", function="math.multiply"),
        entry("SlicingOpLambda", "x", function="__operators__.getitem"),
        {**entry("TFOpLambda", "x", function="image.resize"), "module": "keras.src.layers.core.tf_op_layer"},
        {**entry("TFOpLambda", "x", function="cast"), "module": "tf_keras.src.layers.core.tf_op_layer",
         "registered_name": "TFOpLambda"},
        {**entry("SlicingOpLambda", "x", function="__operators__.getitem"),
         "inbound_nodes": [[["a", 0, 0, {"slice_spec": [{"class_name": "__ellipsis__"}, {"start": 1}]}]]]},
        entry("TensorFlowOpLayer", "x", node_def={"op": "AddV2", "name": "x", "input": ["a", "b"]}),
        {"module": "keras.layers", **entry("Dense", "x", activation="relu")},
        {"module": "tensorflow_model_optimization.x", **entry("QuantizeWrapperV2", "x")},
        {"module": "larq.layers", "registered_name": "QuantDense", **entry("QuantDense", "x")},
        entry("Larq>QuantDense", "x", kernel_quantizer={"module": "mine", "class_name": "Mine"}),
        entry("Activation", "x", activation={"module": "larq.quantizers", "class_name": "SteSign", "config": {}}),
        {"module": "edgecompress.layers.sign", "registered_name": "Sign", **entry("Sign", "x")},
        {"module": "keras.src.ops.numpy", "registered_name": "Sign", **entry("Sign", "x")},
        {"module": "keras.src.models.functional", "registered_name": "Functional", **entry("Functional", "x")},
        entry("Custom>CustomScaleLayer", "x", scale=0.17),
        {"module": "tf_keras.src.applications.convnext", "registered_name": "LayerScale", **entry("LayerScale", "x")},
        entry("Dense", "x", bias_initializer={"module": "tensorflow.python.ops.init_ops_v2", "class_name": "Constant",
                                              "config": {"value": 0}, "registered_name": "Constant"}),
        entry("Activation", "x", activation={"module": "builtins", "class_name": "function", "config": "relu",
                                             "registered_name": "function"}),
        entry("Dense", "x", dtype={"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"},
                                   "registered_name": None}),
        entry("Dense", "x", activation=None, kernel_regularizer=None, bias_initializer="zeros",
              kernel_initializer={"module": "keras.initializers", "class_name": "GlorotUniform",
                                  "config": {"seed": None}, "registered_name": None}),
        # a name is only text
        entry("Dense", "x", padding="os.system", equation="io.write_file"),
    ],
    ids=str,
)  # fmt: skip
def test_no_code_in_what_keras_and_tf_mot_write(layer):
    assert code_in(sequential(layer)) == ()


def test_what_is_code_is_said():
    layers = [
        entry("TFOpLambda", "a", function="io.write_file"),
        entry("Lambda", "b"),
        {"module": "os", **entry("Popen", "c")},
        entry("ClassMethod", "d", cls_ref="RaggedTensor", method_name="from_tensor"),
        entry("Activation", "e", activation="my_swish"),
        entry("Mine", "f"),
    ]
    assert [(code.what, code.loadable) for code in code_in(sequential(*layers))] == [
        ("the TensorFlow function io.write_file", True),
        ("Python code", True),
        ("the class Popen of os", True),
        ("the method RaggedTensor.from_tensor", True),
        ("the activation my_swish", False),
        ("the class Mine", False),
    ]


def test_names_from_a_file_can_be_printed():
    (code,) = code_in(sequential(entry("TFOpLambda", "x\x1b[2J\n", function="\r" * 10**6)))
    assert (code.layer + code.what).isprintable() and len(code.layer + code.what) < 300


def test_settings_of_training_are_never_loaded_wherever_they_stand():
    evil = {"loss": {"module": "builtins", "class_name": "function", "config": "my_loss"}}
    inner = {**sequential(entry("Dense", "x")), "compile_config": evil}
    config, found = judge({**sequential(inner), "compile_config": evil})
    assert found == () and "compile_config" not in json.dumps(config)


def test_what_is_found_by_name_is_loaded_without_its_module():
    """Another Keras than the one that has stand-ins for it would import the module."""
    quantizers = {"kernel_quantizer": {"module": "mine", "class_name": "Mine"}, "input_quantizer": "ste_sign"}
    config, found = judge(sequential({"module": "antigravity", **entry("QuantDense", "x", **quantizers)}))
    assert found == ()
    assert config == sequential(entry("QuantDense", "x", kernel_quantizer="Mine", input_quantizer="ste_sign"))


def test_depth_is_bounded():
    config = {}
    for _ in range(100_000):
        config = {"config": config}
    with pytest.raises(ModelFileError, match="levels deep"):
        code_in(config)
