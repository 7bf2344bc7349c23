"""Whole networks of Keras 2 become the same ones in Keras 3: their graphs, names, notes, and what is of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from edgecompress.environment import load_keras, load_tensorflow, load_tf_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.testing.random_networks import Network, build, networks, samples
from edgecompress.tfmot.graph import copy_model
from edgecompress.tfmot.to_keras2 import translation as to_keras2
from edgecompress.tfmot.to_keras3.layers import LAYERS
from edgecompress.tfmot.to_keras3.translation import translate
from edgecompress.zoo import ARCHITECTURES
from edgecompress.zoo.architecture import Architecture

tf = load_tensorflow()
keras2, keras_3 = load_tf_keras(), load_keras()
layers = keras2.layers
SMALL = {
    "mobilenet_v1": {"width": 0.25, "shallow": True},
    "quicknet": {"width": 0.5, "blocks": 2},
    "squeezenet": {"bypass": "complex"},
    "bnn_mlp": {"units": 16},
}


class Doubled(layers.Layer):
    """A class of one's own."""

    def build(self, shape: Any) -> None:
        self.offset = self.add_weight("offset", (shape[-1],), initializer="random_normal")

    def call(self, inputs: Any, extra: Any = None) -> Any:
        return 2.0 * inputs + self.offset


def doubled(layer: Any, name: str) -> list[tuple[Any, list[np.ndarray]]]:
    (offset,) = layer.get_weights()
    scale, shift = np.full_like(offset, 2.0), [np.eye(len(offset), dtype="float32"), offset]
    return [
        (keras_3.layers.Dense(len(offset), use_bias=False, name="scale"), [np.diag(scale)]),
        (keras_3.layers.Dense(len(offset), name=name), shift),
    ]


def outputs_of(model: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    found = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(each) for each in tf.nest.flatten(found)]


def require_near(one: Any, other: Any, inputs: list[np.ndarray]) -> None:
    for expected, found in zip(outputs_of(one, inputs), outputs_of(other, inputs), strict=True):
        # Sums of some thousand terms of size one in float32, taken in another order, a dozen layers deep.
        np.testing.assert_allclose(found, expected, rtol=0, atol=2.0**-15 * max(1.0, float(np.abs(expected).max())))


def nested() -> Any:
    inner = keras2.Sequential([keras2.Input((6, 6, 4)), layers.Conv2D(4, 1, name="c"), layers.ReLU(name="r")], "inner")
    image = keras2.Input((6, 6, 3), name="image")
    middle_input = keras2.Input((6, 6, 4))
    middle = keras2.Model(middle_input, layers.Conv2D(4, 1, name="c")(inner(middle_input)) + 1.0, name="middle")
    shared = layers.Conv2D(4, 1, name="shared")
    x = shared(shared(middle(middle(layers.Conv2D(4, 3, padding="same", name="first")(image)))))
    return keras2.Model(image, layers.Conv2D(3, 1, name="c")(x), name="outer")


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda each: each.name)
def test_architectures_are_the_same_read_back_too(architecture: Architecture, tmp_path: Path) -> None:
    built = architecture.build(resolution=36, classes=4, **SMALL.get(architecture.name, {}))
    model, _ = to_keras2.translate(built)
    translated, notes = translate(model)
    assert notes == () and translated.name == model.name
    assert [tensor.name for tensor in translated.inputs] == model.input_names
    assert [layer.name for layer in translated.layers] == [layer.name for layer in model.layers]
    assert translated.output_names == model.output_names and translated.count_params() == model.count_params()
    translated.save(tmp_path / "model.keras")
    read = keras_3.models.load_model(tmp_path / "model.keras", safe_mode=True)
    inputs = samples(model, 2, 0)
    require_near(model, read, inputs)
    for one, other in zip(outputs_of(translated, inputs), outputs_of(read, inputs), strict=True):
        assert one.tobytes() == other.tobytes()


@settings(max_examples=10, deadline=None, database=None, phases=[Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
@seed(4)
@given(networks())
def test_there_and_back_again(drawn: Network) -> None:
    model = build(drawn, keras2)
    translated, _ = translate(model)
    returned, _ = to_keras2.translate(translated)
    inputs = samples(model, 4, 1)
    require_near(model, translated, inputs)
    require_near(model, returned, inputs)
    assert {layer.name for layer in model.layers if layer.weights} == {
        layer.name for layer in returned.layers if layer.weights
    }


def test_nested_models_are_flattened_shared_layers_stay_shared_and_names_are_those_of_a_copy() -> None:
    model = nested()
    translated, _ = translate(model)
    require_near(model, translated, samples(model, 2, 0))
    assert translated.count_params() == model.count_params()
    names = {layer.name for layer in translated.layers if layer.weights}
    assert names == {"first", "middleinner_c", "middle_c", "shared", "c"}
    assert "middleinner_c" in {layer.name for layer in copy_model(model).layers}


def test_slashes_and_names_that_are_taken() -> None:
    vector = keras2.Input((3,), name="in/put")
    x = layers.Dense(3, name="a/b", activation="hard_sigmoid")(vector)
    x = layers.Dense(3, name="a_b")(layers.Dense(3, name="a_b_1")(x))
    model = keras2.Model(vector, layers.Activation("hard_sigmoid", name="a_b_2_activation")(x), name="net/work")
    translated, _ = translate(model)
    assert translated.name == "net_work" and translated.inputs[0].name == "in_put"
    assert [layer.name for layer in translated.layers if layer.weights] == ["a_b_2", "a_b_1", "a_b"]
    assert translated.output_names == ["a_b_2_activation"]
    require_near(model, translated, samples(model, 2, 0))


def test_inputs_and_outputs_keep_names_order_dtypes_and_fixed_sizes() -> None:
    left, right = keras2.Input((3,), name="z", batch_size=2), keras2.Input((3,), name="a", batch_size=2, dtype="int32")
    whole = tf.cast(right, "float32")
    outputs = {"y": layers.Dense(2)(left), "b": layers.Add()([left, 2.0 * whole]), "c": right}
    model = keras2.Model({"z": left, "a": right}, outputs)
    translated, _ = translate(model)
    assert [(tensor.name, tensor.shape, tensor.dtype) for tensor in translated.inputs] == [
        ("a", (2, 3), "int32"),
        ("z", (2, 3), "float32"),
    ]
    found = outputs_of(translated, [np.full((2, 3), 5, "int32"), np.ones((2, 3), "float32")])
    assert found[0].tolist() == [[11.0] * 3] * 2 and found[1].tolist() == [[5] * 3] * 2 and found[2].shape == (2, 2)


def test_integers_may_come_as_floats() -> None:
    """Which they do in a Sequential model that begins with an Embedding."""
    sequence = keras2.Sequential([layers.Embedding(50, 4, input_length=6), layers.Flatten(), layers.Dense(2)])
    sequence.build((None, 6))
    columns = keras2.Input((3,))
    parts = [layers.Embedding(40, 2)(columns[:, 0]), layers.Embedding(300, 2)(columns[:, 1]), columns]
    for model in (sequence, keras2.Model(columns, layers.Dense(1)(tf.concat(parts, 1)))):
        translated, _ = translate(model)
        require_near(model, translated, [np.arange(12, dtype="float32").reshape(2, -1)[:, : model.input_shape[-1]]])


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "mixed_bfloat16", "float64"])
def test_other_precisions_become_float32(policy: str) -> None:
    image = keras2.Input((6, 6, 3), dtype=policy if "mixed" not in policy else "float32")
    x = layers.BatchNormalization(dtype=policy)(layers.Conv2D(3, 3, dtype=policy, name="c")(image))
    translated, notes = translate(keras2.Model(image, layers.Dense(2, dtype="float32")(x)))
    assert ("c", "made float32") in [(note.layer, note.action) for note in notes]
    assert {each.dtype for each in (*translated.inputs, *translated.outputs, *translated.weights)} == {"float32"}


def test_what_is_trained_with_is_kept_or_noted() -> None:
    vector = keras2.Input((3,))
    layer = layers.Dense(
        2,
        name="d",
        kernel_regularizer=keras2.regularizers.L1L2(0.25, 0.5),
        bias_regularizer=keras2.regularizers.OrthogonalRegularizer(),
        activity_regularizer="l2",
        kernel_constraint="non_neg",
    )
    frozen = layers.BatchNormalization(name="frozen", trainable=False)
    x = layers.Dropout(0.4)(frozen(layer(vector), training=False))
    translated, notes = translate(keras2.Model(vector, layers.LSTM(2, dropout=0.2)(layers.Reshape((2, 1))(x))))
    found = translated.get_layer("d")
    assert found.kernel_regularizer.get_config() == {"l1": 0.25, "l2": 0.5} and found.activity_regularizer.l2 > 0
    assert found.bias_regularizer is None and found.trainable and not translated.get_layer("frozen").trainable
    assert [(note.layer, note.action) for note in notes] == [
        ("d", "regularizer left out"),
        ("d", "constraint left out"),
        ("frozen", "training=False left out"),
    ]
    assert [layer.rate for layer in translated.layers if hasattr(layer, "rate")] == [0.4]


@pytest.mark.parametrize(
    "kind", ["RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast", "RandomHeight", "RandomBrightness"]
)
def test_augmentation_is_left_out_and_said_so(kind: str) -> None:
    options = {} if kind == "RandomFlip" else {"factor": 0.3} if kind != "RandomZoom" else {"height_factor": 0.3}
    image = keras2.Input((6, 6, 3))
    augmented = getattr(layers, kind)(**options, name="augment")(image)
    translated, notes = translate(keras2.Model(image, layers.Conv2D(2, 3)(augmented)))
    assert [(note.layer, note.action) for note in notes] == [("augment", "left out")] and len(translated.layers) == 2


def test_a_class_of_ones_own_becomes_what_stands_for_it(tmp_path: Path) -> None:
    vector = keras2.Input((3,))
    shared = Doubled(name="own")
    inner = keras2.Sequential([keras2.Input((3,)), Doubled(name="own")], name="inner")
    model = keras2.Model(vector, layers.Dense(2, name="scale")(inner(shared(shared(vector)))))
    with pytest.raises(UnsupportedModelError, match=r"'own' \(Doubled\).* class of its own"):
        translate(model)
    translated, _ = translate(model, own={Doubled: doubled})
    assert [layer.name for layer in translated.layers][1:] == ["scale_1", "own", "scale_2", "inner_own", "scale"]
    translated.save(tmp_path / "model.keras")
    require_near(model, keras_3.models.load_model(tmp_path / "model.keras"), samples(model, 2, 0))


def test_a_wrong_class_of_ones_own_is_refused() -> None:
    vector = keras2.Input((3,))
    model = keras2.Model(vector, layers.Dense(2, name="last")(Doubled(name="own")(vector)))
    with pytest.raises(UnsupportedModelError, match=r"output 'last'.*'own' .Doubled. is where they part first"):
        translate(model, own={Doubled: lambda layer, name: [(keras_3.layers.Identity(name=name), [])]})
    with pytest.raises(UnsupportedModelError, match=r"'own'.* weights have other shapes"):
        translate(model, own={Doubled: lambda layer, name: [(keras_3.layers.Dense(3, name=name), [np.ones((2, 3))])]})
    called = keras2.Model(vector, Doubled(name="own")(vector, extra=vector))
    with pytest.raises(UnsupportedModelError, match=r"'own'.* called with extra"):
        translate(called, own={Doubled: doubled})


def test_a_wrong_translation_is_refused_with_output_and_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAYERS, "LeakyReLU", type(LAYERS["LeakyReLU"])(without_effect=("alpha",)))
    image = keras2.Input((6, 6, 3))
    x = layers.LeakyReLU(0.1, name="leaky")(layers.Conv2D(3, 3, name="first")(image))
    model = keras2.Model(image, layers.Conv2D(2, 1, name="last")(x))
    with pytest.raises(UnsupportedModelError, match=r"output 'last'.*Layer 'leaky' \(LeakyReLU\) is where they part"):
        translate(model)


def test_an_option_that_is_not_listed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    image = keras2.Input((6, 6, 3))
    model = keras2.Model(image, layers.Flatten(name="flat")(image))
    config = layers.Flatten.get_config
    monkeypatch.setattr(layers.Flatten, "get_config", lambda self: {**config(self), "order_of_tomorrow": 3})
    with pytest.raises(UnsupportedModelError, match=r"'flat'.* option order_of_tomorrow"):
        translate(model)


def test_a_class_with_the_name_of_keras_is_not_taken_for_it() -> None:
    class Dense(layers.Dense):
        def call(self, inputs: Any) -> Any:
            return super().call(inputs) + 1.0

    vector = keras2.Input((3,))
    with pytest.raises(UnsupportedModelError, match=r"'own' \(Dense\).* class of its own"):
        translate(keras2.Model(vector, Dense(2, name="own")(vector)))


def masked_inside() -> Any:
    ids = keras2.Input((5,), dtype="int32")
    inner = keras2.Model(ids, layers.Embedding(9, 3, mask_zero=True)(ids), name="inner")
    outer = keras2.Input((5,), dtype="int32")
    return keras2.Model(outer, layers.GRU(2, name="reader")(inner(outer)))


def masked_outside() -> Any:
    steps = keras2.Input((5, 3))
    inner = keras2.Model(steps, layers.GRU(2)(steps), name="inner")
    ids = keras2.Input((5,), dtype="int32")
    return keras2.Model(ids, inner(layers.Embedding(9, 3, mask_zero=True)(ids)))


def trained_inside() -> Any:
    vector = keras2.Input((3,))
    inner = keras2.Model(vector, layers.Dropout(0.5)(vector), name="inner")
    return keras2.Model(vector, inner(vector, training=True))


def stateful() -> Any:
    steps = keras2.Input((5, 3), batch_size=2)
    return keras2.Model(steps, layers.LSTM(2, stateful=True, name="states")(steps))


class Subclassed(keras2.Model):
    def call(self, inputs: Any) -> Any:
        return inputs


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (masked_inside, "'reader'.* mask of steps"),
        (masked_outside, "'inner'.* mask of steps"),
        (trained_inside, "'inner'.* training=True"),
        (stateful, "'states'.* stateful is True"),
        (lambda: Subclassed(name="sub"), "'sub' is a subclassed model"),
        (lambda: keras2.Sequential([layers.Dense(2)], name="open"), "'open' is a Sequential model without"),
        (
            lambda: keras2.Model(
                (words := keras2.Input((1,), dtype="string", name="words")),
                layers.StringLookup(vocabulary=["a"])(words),
            ),
            "'words'.* of the kind string",
        ),
        (
            lambda: keras2.Model((many := keras2.Input((3,), sparse=True, name="many")), layers.Dense(2)(many)),
            "'many'.* of the kind sparse",
        ),
        (
            lambda: keras2.Model((parts := keras2.Input((None, 3), ragged=True, name="parts")), parts * 2.0),
            "'parts'.* of the kind ragged",
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_it_is_refused_by_name_and_reason(made: Any, told: str) -> None:
    with pytest.raises(UnsupportedModelError, match=told) as caught:
        translate(made())
    assert caught.value.hint
