import pytest

from edgecompress.formats.keras_code import code_in


def sequential(*layers):
    return {"class_name": "Sequential", "config": {"name": "model", "layers": list(layers)}}


def entry(kind, name, **config):
    return {"class_name": kind, "config": {"name": name, **config}}


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
    ],
)
def test_code_is_named_by_its_layer(layer):
    assert code_in(sequential(entry("Dense", "first"), layer)) == ("x",)


def test_code_in_nested_models_and_wrappers():
    inner = sequential(entry("TimeDistributed", "wrapper", layer=entry("Lambda", "deep")))
    assert code_in(sequential(entry("Lambda", "a"), inner, entry("Lambda", "z"))) == ("a", "deep", "z")


@pytest.mark.parametrize(
    "layer",
    [
        entry("TFOpLambda", "x", function="math.multiply"),
        entry("SlicingOpLambda", "x", function="__operators__.getitem"),
        {"module": "keras.layers", **entry("Dense", "x", activation="relu")},
        {"module": "tensorflow_model_optimization.x", **entry("QuantizeWrapperV2", "x")},
        {"module": "larq.layers", "registered_name": "QuantDense", **entry("QuantDense", "x")},
        entry("Larq>QuantDense", "x", kernel_quantizer={"module": "mine", "class_name": "Mine"}),
        entry("Activation", "x", activation={"module": "larq.quantizers", "class_name": "SteSign", "config": {}}),
    ],
)
def test_no_code_in_what_keras_and_tf_mot_write(layer):
    assert code_in(sequential(layer)) == ()


def test_compile_settings_are_never_loaded_and_not_named():
    config = sequential(entry("Dense", "x"))
    config["compile_config"] = {"loss": {"module": "builtins", "class_name": "function", "config": "my_loss"}}
    assert code_in(config) == ()
