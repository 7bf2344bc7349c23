import copy
import json
import random
import time

import pytest

from edgecompress.environment import load_tf_keras
from edgecompress.errors import EdgeCompressError, ModelFileError, UnsupportedModelError
from edgecompress.formats.keras.config import summarize_config


def every_layer(keras, *, three: bool):
    """Return a functional model of all classes of layers that classic CNNs use, in Keras 2 or Keras 3."""
    layers = keras.layers
    image = layers.Input((20, 22, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = layers.Normalization()(x)
    x = layers.Resizing(24, 24)(x)
    x = layers.ZeroPadding2D(((0, 1), (2, 3)))(x)
    x = layers.Conv2D(8, (3, 5), strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.ReLU(6.0)(x)
    x = layers.Conv2D(8, 3, dilation_rate=2, groups=2, activation="relu")(x)
    x = layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.LeakyReLU()(x)
    x = layers.SeparableConv2D(12, 3, depth_multiplier=2, padding="same")(x)
    x = layers.PReLU(shared_axes=[1, 2])(x)
    x = layers.LayerNormalization()(x)
    x = layers.SpatialDropout2D(0.1)(x)
    left = layers.Conv2D(12, 1)(x)
    shared = layers.Conv2D(12, 3, padding="same", name="shared")
    right = shared(shared(x))
    x = layers.Add()([left, right])
    x = layers.Concatenate()([x, left, layers.Multiply()([left, right])])
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.UpSampling2D((2, 3))(x)
    x = layers.Cropping2D(((1, 0), (0, 2)))(x)
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same")(x)
    x = layers.Conv2DTranspose(6, 3, strides=2, output_padding=1)(x)
    x = layers.AveragePooling2D(3, strides=2)(x)
    x = layers.GaussianNoise(0.1)(x)
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Multiply()([x, pooled])
    if not three:
        x = load_tf_keras().backend.relu(x * 0.5)  # TFOpLambda
    steps = layers.Reshape((-1, 6))(x)
    steps = layers.Permute((2, 1))(steps)
    steps = layers.Conv1D(4, 3, padding="causal")(steps)
    steps = layers.TimeDistributed(layers.Dense(5, activation="relu"))(steps)
    steps = layers.MaxPooling1D(2)(steps)
    flat = layers.Flatten()(steps)
    repeated = layers.RepeatVector(3)(flat)
    summed = layers.GlobalMaxPooling1D()(repeated)
    y = layers.Dense(10)(summed)
    y = layers.Dropout(0.5)(y)
    return keras.Model(image, [layers.Softmax()(y), layers.Activation("tanh", name="second")(pooled)], name="every")


def nested(keras):
    """Return a model that calls another one twice, which holds a third, and whose layers are shared."""
    layers = keras.layers
    inner = keras.Sequential([layers.Input((8, 8, 4)), layers.DepthwiseConv2D(3, padding="same"), layers.ReLU()])
    inner_image = layers.Input((8, 8, 4))
    block = keras.Model(inner_image, layers.Conv2D(4, 1, name="mix")(inner(inner_image)), name="block")
    image = layers.Input((8, 8, 4))
    return keras.Model(image, layers.Flatten()(block(block(image))), name="outer")


@pytest.fixture(scope="module")
def tf_keras():
    return load_tf_keras()


@pytest.fixture(scope="module")
def keras_3(tf_keras):
    import keras

    return keras


def trained(model):
    return sum(int(weight.numpy().size) for weight in model.trainable_weights)


def expected_shapes(model):
    return {
        layer.name: tuple(-1 if n is None else n for n in layer.get_output_shape_at(0))
        if hasattr(layer, "get_output_shape_at")
        else tuple(-1 if n is None else n for n in layer.output.shape)
        for layer in model.layers
    }


@pytest.mark.parametrize("flavour", ["tf_keras", "keras_3"])
def test_agrees_with_keras_on_every_layer(flavour, request):
    keras = request.getfixturevalue(flavour)
    model = every_layer(keras, three=flavour == "keras_3")
    summary = summarize_config(model.get_config())
    # through JSON, as files hold it; a TFOpLambda's arguments are not JSON, Keras writes them as numbers
    assert summarize_config({"class_name": "Functional", "config": model.get_config()}) == summary
    shapes = {layer.owners[0]: layer.summary.output_shape for layer in summary.layers}
    expected = expected_shapes(model)
    wrapper = next(name for name in expected if name.startswith("time_distributed"))  # Keras numbers what it names
    shapes[wrapper] = expected[wrapper]  # the layer shown is the Dense inside, for one step
    assert shapes == expected
    assert sum(layer.summary.parameters for layer in summary.layers) == trained(model)
    kernels = [kernel for layer in summary.layers for kernel in layer.kernels]
    names = ("kernel", "depthwise_kernel", "pointwise_kernel")
    stored = [
        tuple(weight.shape)
        for layer in model.layers
        for weight in layer.trainable_weights
        if weight.name.split("/")[-1].split(":")[0] in names
    ]
    assert kernels == stored
    assert [spec.shape for spec in summary.outputs] == [(-1, 10), expected["second"]]
    assert [spec.shape for spec in summary.inputs] == [(-1, 20, 22, 3)]


def test_work_agrees_with_tensorflows_own_count(tf_keras):
    """TensorFlow's profiler counts two operations for each multiply-add of the graph's convolutions and products."""
    from edgecompress.environment import load_tensorflow

    tf = load_tensorflow()
    layers = tf_keras.layers
    image = layers.Input((20, 22, 3), batch_size=1)
    x = layers.Conv2D(8, (3, 5), strides=2, padding="same")(image)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = layers.SeparableConv2D(12, 3, padding="same", strides=2)(x)
    x = layers.Dense(5)(layers.Flatten()(x))
    model = tf_keras.Model(image, x)
    graph = tf.function(model).get_concrete_function(tf.TensorSpec((1, 20, 22, 3))).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    profile = tf.compat.v1.profiler.profile(graph, options=options)
    operations = 0
    for node in profile.children:
        if not node.name.endswith("BiasAdd"):
            operations += node.total_float_ops
    work = sum(layer.summary.multiply_adds for layer in summarize_config(model.get_config()).layers)
    assert work * 2 == operations


@pytest.mark.parametrize("flavour", ["tf_keras", "keras_3"])
def test_a_nested_model_counts_its_parameters_once_and_its_work_each_time(flavour, request):
    model = nested(request.getfixturevalue(flavour))
    summary = summarize_config(model.get_config())
    by_name = {layer.summary.name: layer.summary for layer in summary.layers}
    mix = by_name["block/mix"]
    assert mix.output_shape == (-1, 8, 8, 4)
    assert mix.parameters == 4 * 4 + 4
    assert mix.multiply_adds == 2 * (8 * 8 * 4 * 4)
    assert summary.outputs[0].shape == (-1, 8 * 8 * 4)
    assert sum(layer.parameters for layer in by_name.values()) == trained(model)
    (deep,) = [layer for layer in summary.layers if layer.summary.kind == "DepthwiseConv2D"]
    assert deep.group == "block"
    assert deep.containers == ("layers/functional/layers/sequential/layers/depthwise_conv2d",)


def test_looks_through_the_wrappers_of_tf_mot(tf_keras):
    from edgecompress.environment import load_tfmot

    tfmot = load_tfmot()
    layers = tf_keras.layers
    plain = tf_keras.Sequential(
        [layers.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.ReLU(), layers.Flatten()]
    )
    functional = tf_keras.Model(plain.inputs, layers.Dense(3)(plain.outputs[0]))
    expected = summarize_config(functional.get_config())

    def comparable(summary):
        return [layer.summary for layer in summary.layers if layer.summary.kind != "QuantizeLayer"]

    clone = tf_keras.models.clone_model
    pruned = tfmot.sparsity.keras.prune_low_magnitude(clone(functional))
    linear = tfmot.clustering.keras.CentroidInitialization.LINEAR
    clustered = tfmot.clustering.keras.cluster_weights(
        clone(functional), number_of_clusters=4, cluster_centroids_init=linear
    )
    quantized = tfmot.quantization.keras.quantize_model(clone(functional))
    for wrapped in (pruned, clustered, quantized):
        assert comparable(summarize_config(wrapped.get_config())) == comparable(expected)


def test_an_unknown_layer_is_shown_and_the_shape_beside_its_use_taken(keras_3):
    layers = keras_3.layers
    image = layers.Input((6, 4))
    x = keras_3.ops.mean(image, axis=1)  # an operation, of which the config says nothing
    summary = summarize_config(keras_3.Model(image, layers.Dense(2)(x)).get_config())
    mean, dense = summary.layers[1:]
    assert (mean.summary.kind, mean.summary.output_shape, mean.kernels) == ("Mean", (-1, 4), None)
    assert dense.summary.parameters == 4 * 2 + 2


def test_what_follows_an_unknown_layer_is_unknown_where_keras_2_says_nothing(tf_keras):
    layers = tf_keras.layers
    image = layers.Input((6, 4))
    x = load_tf_keras().backend.mean(image, axis=1)
    config = tf_keras.Model(image, layers.Dense(2)(x)).get_config()
    mean, dense = summarize_config(config).layers[1:]
    assert (mean.summary.output_shape, dense.summary.output_shape) == ((-1,), (-1, 2))  # from the Dense's build_config
    for entry in config["layers"]:
        entry.pop("build_config", None)  # as Keras before 2.12 wrote it
    mean, dense = summarize_config(config).layers[1:]
    assert mean.summary.output_shape == dense.summary.output_shape == (-1,)
    assert dense.kernels is None


def test_a_registered_layer_is_not_taken_for_keras_own():
    entry = {"class_name": "Dense", "registered_name": "mine>Dense", "config": {"name": "d", "units": 3}}
    config = {"class_name": "Sequential", "config": {"layers": [input_layer(), entry]}}
    assert summarize_config(config).layers[1].kernels is None


def test_the_list_of_layers_of_early_keras_2():
    entry = {"class_name": "Dense", "config": {"name": "d", "units": 3, "batch_input_shape": [None, 4]}}
    summary = summarize_config({"class_name": "Sequential", "config": [entry]})
    assert summary.inputs[0].shape == (-1, 4)
    assert summary.layers[0].summary.parameters == 15


def test_mixed_precision_outputs(tf_keras):
    image = tf_keras.layers.Input((4,))
    model = tf_keras.Model(image, tf_keras.layers.Dense(2, dtype="mixed_float16")(image))
    assert summarize_config(model.get_config()).outputs[0].dtype == "float16"


# From here on, configs that nobody but an attacker or a bad disk writes.


def input_layer(name="i"):
    config = {"name": name, "batch_input_shape": [None, 8, 8, 3]}
    return {"class_name": "InputLayer", "config": config, "name": name, "inbound_nodes": []}


def layer(kind, name, sources, **config):
    nodes = [[[source, 0, 0, {}] for source in call] for call in sources]
    return {"class_name": kind, "config": {"name": name, **config}, "name": name, "inbound_nodes": nodes}


def functional(layers, output, name="m"):
    config = {"name": name, "layers": layers, "input_layers": [["i", 0, 0]], "output_layers": [[output, 0, 0]]}
    return {"class_name": "Functional", "config": config, "name": name}


def test_a_subclassed_model_is_refused_by_name():
    with pytest.raises(UnsupportedModelError, match="'MyDetector'"):
        summarize_config({"class_name": "MyDetector", "config": {}})


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        {},
        {"class_name": "Functional"},
        {"class_name": ["Functional"], "config": {}},
        {"class_name": "Functional", "config": None},
        {"class_name": "Functional", "config": {"layers": 3}},
        {"class_name": "Functional", "config": {"layers": [1]}},
        {"class_name": "Functional", "config": {"layers": [{}]}},
        {"class_name": "Sequential", "config": {"layers": [{"class_name": "x" * 5000, "config": {}}]}},
        functional([input_layer(), layer("Add", "a", [["i", "a"]])], "a"),
        functional([input_layer(), layer("Add", "a", [["b"]]), layer("Add", "b", [["a"]])], "a"),
        functional([input_layer(), layer("ReLU", "a", [["nowhere"]])], "a"),
        functional([input_layer(), input_layer()], "i"),
        functional([input_layer()], "nowhere"),
        functional(
            [
                input_layer(),
                layer("Conv2D", "c", [["i"]], filters=2**31 - 1, kernel_size=[2**31 - 1] * 2, padding="same"),
            ],
            "c",
        ),
    ],
)
def test_contradictions_are_model_file_errors(config):
    with pytest.raises(ModelFileError):
        summarize_config(config)


def test_depth_is_bounded():
    config = {}
    for _ in range(100_000):
        config = {"layers": config}
    with pytest.raises(ModelFileError, match="levels deep"):
        summarize_config({"class_name": "Functional", "config": config})


def test_calls_are_bounded_where_each_model_calls_the_one_before_twice():
    model = functional([input_layer(), layer("ReLU", "r", [["i"]])], "r", "n0")
    for depth in range(1, 40):
        twice = {**model, "inbound_nodes": [[["i", 0, 0, {}]], [[model["name"], 1, 0, {}]]]}
        model = functional([input_layer(), twice], model["name"], f"n{depth}")
        model["config"]["output_layers"] = [[f"n{depth - 1}", 2, 0]]
    started = time.process_time()
    with pytest.raises(ModelFileError, match="calls of layers"):
        summarize_config(model)
    # 2^39 calls would take days; 100,000 take about a second, and a slow machine twenty times that
    assert time.process_time() - started < 60


@pytest.mark.parametrize("flavour", ["tf_keras", "keras_3"])
def test_random_damage_to_a_config_is_an_error_or_a_summary(flavour, request):
    config = json.loads(json.dumps(nested(request.getfixturevalue(flavour)).get_config()))
    odd = [None, -1, 0, 2**70, 1e300, "", "Dense", [], {}, [["i", 0, 0]], [[]], {"class_name": "Lambda"}, True]
    refused = 0
    for seed in range(400):
        generator = random.Random(seed)
        damaged = copy.deepcopy(config)
        for _ in range(generator.randint(1, 3)):
            holder = damaged
            while True:
                keys = list(holder) if isinstance(holder, dict) else range(len(holder))
                if not keys:
                    break
                key = generator.choice(list(keys))
                if not isinstance(holder[key], dict | list) or generator.random() < 0.15:
                    holder[key] = generator.choice(odd)
                    break
                holder = holder[key]
        try:
            summarize_config(damaged)
        except EdgeCompressError:
            refused += 1
    assert 0 < refused < 400
