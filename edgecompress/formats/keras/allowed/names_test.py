"""Every name that TensorFlow and both Keras publish is tried wherever a name in a config is looked up."""

import inspect
import pkgutil
import re
import sys
from types import ModuleType

import pytest

from edgecompress.environment import load_keras, load_tensorflow, load_tf_keras, load_tfmot
from edgecompress.formats.keras.allowed.code import _KERAS_MODULE, code_in
from edgecompress.formats.keras.allowed.functions import NODE_OPERATIONS, TENSOR_FUNCTIONS
from edgecompress.formats.keras.allowed.names import (
    ACTIVATIONS,
    CODE_LAYERS,
    CONSTRAINTS,
    INITIALIZERS,
    LARQ_CLASSES,
    LAYERS,
    OBJECTS,
    OWN_LAYERS,
    REGISTERED,
    REGULARIZERS,
    TFMOT_CLASSES,
)


@pytest.fixture(scope="module")
def libraries():
    tensorflow, tf_keras = load_tensorflow(), load_tf_keras()
    keras = load_keras()

    return tensorflow, tf_keras, keras


def published(module, prefix, seen, depth=0):
    """Yield the dotted names below a module, as far as it is of these libraries."""
    if id(module) in seen or depth > 8:
        return
    seen.add(id(module))
    for name in dir(module):
        if name.startswith("_") and name != "__operators__":
            continue
        yield f"{prefix}{name}"
        try:
            value = getattr(module, name)
        except Exception:  # loaded when it is asked for, and not there
            continue
        if isinstance(value, ModuleType) and re.match(r"tensorflow|tf_keras|keras", getattr(value, "__name__", "")):
            yield from published(value, f"{prefix}{name}.", seen, depth + 1)


@pytest.fixture(scope="module")
def symbols(libraries):
    """The names that TFOpLambda finds: TensorFlow's own table, which is what it looks into."""
    from tensorflow.python.util import tf_export

    return dict(tf_export._NAME_TO_SYMBOL_MAPPING)


@pytest.fixture(scope="module")
def names(libraries, symbols):
    """Tens of thousands of names, without the library in front: `io.write_file`, `raw_ops.WriteFile`, ..."""
    tensorflow, tf_keras, keras = libraries
    found, seen = dict.fromkeys(symbols), set()
    for module, prefix in (
        (tensorflow, ""),
        (tensorflow.compat.v1, "compat.v1."),
        (tensorflow.compat.v2, "compat.v2."),
        (tensorflow.raw_ops, "raw_ops."),
        (tf_keras, "keras."),
        (keras, "keras."),
    ):
        found.update(dict.fromkeys(published(module, prefix, seen)))
    assert len(found) > 20_000 and {"io.write_file", "raw_ops.WriteFile", "keras.utils.get_file"} <= set(found)
    return list(found)


def layer(kind, *, module=None, registered=None, nodes=(), **config):
    entry = {"class_name": kind, "config": config, "inbound_nodes": list(nodes)}
    entry.update({"module": module} if module else {})
    entry.update({"registered_name": registered} if registered else {})
    return entry


def refused(entries):
    """Return the positions of the entries that are code, of which each is a layer of one model."""
    layers = [{**entry, "config": {**entry["config"], "name": str(position)}} for position, entry in enumerate(entries)]
    found = code_in({"class_name": "Functional", "config": {"name": "m", "layers": layers}})
    return {int(code.layer) for code in found}


def split(name):
    parent, _, leaf = name.rpartition(".")
    return parent, leaf


def class_of(name, root):
    parent, leaf = split(name)
    return {"class_name": leaf, "module": f"{root}.{parent}".rstrip("."), "config": {}}


def function_of(name, root):
    parent, leaf = split(name)
    return {
        "class_name": "function",
        "module": f"{root}.{parent}".rstrip("."),
        "config": leaf,
        "registered_name": leaf,
    }


ALWAYS = frozenset()
# A door: how a name is put into a config, and which names may pass.
DOORS = {
    "TFOpLambda": (lambda name: layer("TFOpLambda", function=name), TENSOR_FUNCTIONS),
    "SlicingOpLambda": (lambda name: layer("SlicingOpLambda", function=name), TENSOR_FUNCTIONS),
    "ClassMethod": (lambda name: layer("ClassMethod", cls_ref=split(name)[0], method_name=split(name)[1]), ALWAYS),
    "InstanceMethod": (lambda name: layer("InstanceMethod", attr_name=name), ALWAYS),
    "InstanceProperty": (lambda name: layer("InstanceProperty", attr_name=name), ALWAYS),
    "TensorFlowOpLayer": (lambda name: layer("TensorFlowOpLayer", node_def={"op": split(name)[1]}), "operations"),
    "the class alone": (layer, OBJECTS | REGISTERED),
    "the class of a module of TensorFlow": (lambda name: class_of(name, "tensorflow"), "registered"),
    "the class of an inner module of TensorFlow": (lambda name: class_of(name, "tensorflow.python"), "registered"),
    "the registered name": (lambda name: layer("Dense", module="keras.layers", registered=name), {"Dense"}),
    "the registered name alone": (lambda name: layer("Dense", registered=name), {"Dense"}),
    "a function of TensorFlow": (lambda name: layer("Activation", activation=function_of(name, "tensorflow")), ALWAYS),
    "a built-in function": (
        lambda name: layer("Activation", activation={"class_name": "function", "module": "builtins", "config": name}),
        ACTIVATIONS,
    ),
    "an activation": (lambda name: layer("Dense", activation=name), ACTIVATIONS | set(LARQ_CLASSES)),
    "an initializer": (lambda name: layer("Dense", kernel_initializer=name), INITIALIZERS | set(LARQ_CLASSES)),
    "a regularizer": (lambda name: layer("Dense", kernel_regularizer=name), REGULARIZERS | set(LARQ_CLASSES)),
    "a constraint": (lambda name: layer("Dense", kernel_constraint=name), CONSTRAINTS | set(LARQ_CLASSES)),
    "an object in a config": (lambda name: layer("Dense", kernel_initializer=layer(name)), OBJECTS | REGISTERED),
    "an argument of a call": (
        lambda name: layer("Dense", nodes=[[["a", 0, 0, {"mask": layer(name)}]]]),
        OBJECTS | REGISTERED,
    ),
    "a callable in an argument": (
        lambda name: layer("Dense", nodes=[{"args": [], "kwargs": {"f": function_of(name, "tensorflow")}}]),
        ALWAYS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
def test_only_known_names_get_through(names, door):
    put, passing = DOORS[door]
    if passing == "operations":
        let_through = {name for name in names if split(name)[1] in NODE_OPERATIONS}
    elif passing == "registered":
        let_through = {name for name in names if split(name)[1] in REGISTERED}
    else:
        let_through = set(passing)
    stopped = refused([put(name) for name in names])
    assert {name for position, name in enumerate(names) if position not in stopped} == let_through & set(names)


PARTS = (("initializers", "Initializer"), ("regularizers", "Regularizer"), ("constraints", "Constraint"))


def test_what_keras_finds_in_its_modules_is_what_it_should_be(libraries):
    """Keras finds an object by its module as well: in every module that may be named, each known name is harmless."""
    _, tf_keras, keras = libraries
    imported_when_named = {
        found.name
        for library in (tf_keras, keras)
        for found in pkgutil.walk_packages(library.__path__, f"{library.__name__}.", onerror=lambda _: None)
        if _KERAS_MODULE.fullmatch(found.name) and found.name not in sys.modules
    }
    assert imported_when_named <= {
        "tf_keras.api",  # its public names
        "tf_keras.src.engine.saving",  # imports of others of its modules
        "tf_keras.src.layers.noise",
        "tf_keras.src.layers.preprocessing.preprocessing_stage",
        "keras.src.layers.preprocessing.image_preprocessing.bounding_boxes.formats",  # constants
    }
    from keras.src.ops.operation import Operation

    bases = tuple(
        getattr(getattr(library, part), base)
        for library in (tf_keras, keras)
        for part, base in (
            ("initializers", "Initializer"),
            ("regularizers", "Regularizer"),
            ("constraints", "Constraint"),
        )
    )
    bases += (tf_keras.layers.Layer, Operation, tf_keras.mixed_precision.Policy, keras.dtype_policies.DTypePolicy)
    bases += (keras.quantizers.Quantizer, keras.quantizers.QuantizationConfig)
    odd = set()
    for module in [module for name, module in sys.modules.items() if _KERAS_MODULE.fullmatch(name)]:
        for name, value in vars(module).items():
            if name in OBJECTS and not (inspect.isclass(value) and issubclass(value, bases)):
                odd.add((name, type(value).__name__, getattr(value, "__module__", "")))
    functions = {name for name, kind, _ in odd if kind == "function"}
    assert functions <= ACTIVATIONS | {"identity", "ones", "zeros", "stft", "l1_l2"}
    rest = {each for each in odd if each[1] not in ("function", "module")}  # a module has no from_config
    assert {module for _, _, module in rest} <= {
        "tf_keras.src.initializers.initializers_v1",  # TensorFlow 1's, which have another base
        "keras.src.layers.preprocessing.feature_space",  # Cross, a pair of names
    }


def test_every_listed_function_exists_and_is_one_that_keras_models_hold(symbols):
    """Keras writes a TFOpLambda only for functions that TensorFlow dispatches on; aliases and constants aside."""
    dispatched = {name for name in TENSOR_FUNCTIONS if hasattr(symbols[name], "_tf_fallback_dispatchers")}
    assert TENSOR_FUNCTIONS - dispatched == {"constant", "keras.backend.var", "compat.v1.reverse_sequence"}
    touchy = "io raw_ops data distribute summary saved_model train lookup queue debugging py_function print config"
    assert not [name for name in TENSOR_FUNCTIONS if set(name.split(".")) & set(touchy.split())]


def test_listed_operations_have_no_state_and_call_no_functions(libraries):
    from tensorflow.python.framework import op_def_registry

    for name in NODE_OPERATIONS:
        definition = op_def_registry.get(name)
        assert not definition.is_stateful, name
        assert not [each for each in definition.attr if "func" in each.type], name


def test_each_layer_of_both_keras_is_known_as_one_or_as_the_other(libraries):
    from tf_keras.src.layers import serialization

    _, tf_keras, keras = libraries
    serialization.populate_deserializable_objects()
    public = {
        name
        for library in (tf_keras, keras)
        for name in dir(library.layers)
        if inspect.isclass(getattr(library.layers, name))
    }
    stored = {name for name, value in serialization.LOCAL.ALL_OBJECTS.items() if inspect.isclass(value)}
    doors = {"TFOpLambda", "SlicingOpLambda", "ClassMethod", "InstanceMethod", "InstanceProperty", "TensorFlowOpLayer"}
    assert not LAYERS & set(CODE_LAYERS)
    assert public | stored <= LAYERS | set(CODE_LAYERS) | doors


def test_registered_names_are_those_of_the_scopes_in_which_models_are_loaded(libraries):
    from tf_keras.src.saving import object_registration

    from edgecompress.layers import custom_objects

    assert set(custom_objects()) == OWN_LAYERS
    tfmot = load_tfmot()
    with (
        tfmot.quantization.keras.quantize_scope(),
        tfmot.sparsity.keras.prune_scope(),
        tfmot.clustering.keras.cluster_scope(),
    ):
        in_scope = dict(object_registration._THREAD_LOCAL_CUSTOM_OBJECTS.__dict__)
    assert set(in_scope) <= TFMOT_CLASSES
    # Functions that are registered would be put in for any text that equals their names.
    registered = {**in_scope, **custom_objects(), **object_registration._GLOBAL_CUSTOM_OBJECTS}
    assert all(inspect.isclass(value) for value in registered.values())
