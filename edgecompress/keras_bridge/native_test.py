"""Models of Keras 3 are emitted as they are, under the names of their own layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.convert.tflite.export import export_float
from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.errors import UnsupportedModelError
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.keras_bridge.batches import require_finite, require_no_randomness, require_samples_apart
from edgecompress.keras_bridge.input_range import own_input_range
from edgecompress.keras_bridge.native import NativeModel
from edgecompress.loading import load_noted

IMAGES = np.random.default_rng(0).normal(size=(3, 8, 8, 4)).astype(np.float32)


@pytest.fixture
def keras() -> Any:
    found = load_keras()
    found.utils.clear_session()
    found.utils.set_random_seed(0)
    return found


def names_of(model: NativeModel) -> set[str]:
    """The names of what a file computes, without the model's and the operations' own."""
    graph = parse_graph(export_float(model))
    parts = [part for index in graph.producers for part in graph.tensors[index].name.split(";")]
    return {part.split("/")[1] for part in parts if "/" in part}


def colliding(keras: Any) -> Any:
    """Layers whose names are those that TensorFlow makes of others', a shared one, and a nested model."""
    layers = keras.layers
    image = keras.Input((8, 8, 4), name="image")
    shared = layers.Conv2D(4, 1, activation="relu", name="conv_2")
    x = layers.Conv2D(4, 1, activation="tanh", name="conv_1")(image)
    x = layers.Conv2D(4, 1, activation="sigmoid", name="conv_1_1")(x)
    x = shared(shared(layers.Conv2D(4, 1, activation="elu", name="conv")(x)))
    inner = keras.Sequential([keras.Input((8, 8, 4)), layers.GroupNormalization(2, name="inner")], name="nested")
    return keras.Model(image, keras.ops.square(inner(x)), name="net")


def test_each_operation_has_the_name_of_its_own_layer(keras) -> None:
    model = colliding(keras)
    model(IMAGES)  # so that Keras has used its own names already
    found = NativeModel(model)
    assert names_of(found) >= {"conv_1", "conv_1_1", "conv", "conv_2", "inner"}
    assert names_of(found) <= {layer.name for layer in found.layers}
    kinds = {"tanh": "TANH", "logistic": "LOGISTIC", "elu": "ELU"}
    graph = parse_graph(export_float(found))
    by_kind = {producer.kind: graph.tensors[index].name for index, producer in graph.producers.items()}
    assert [by_kind[kind].split("/")[1] for kind in kinds.values()] == ["conv_1", "conv_1_1", "conv"]


def test_it_computes_what_the_model_computes(keras) -> None:
    model = colliding(keras)
    expected = np.asarray(model(IMAGES, training=False))
    for found in (NativeModel(model).traced([IMAGES]), NativeModel(model).compute([IMAGES])):
        np.testing.assert_array_equal(found[0], expected)


def test_several_doors_keep_their_order_and_names(keras) -> None:
    first, second = keras.Input((4,), name="first"), keras.Input((4,), dtype="int32", name="second")
    halves = keras.ops.split(first, 2, axis=-1)
    summed = keras.layers.Dense(2, name="dense")(first) + keras.ops.cast(second[:, :2], "float32")
    found = NativeModel(keras.Model({"b": second, "a": first}, [halves[1], summed, halves[0]]))
    assert sorted(found.input_names) == ["first", "second"]
    assert [door.dtype.name for door in found.inputs] == [
        {"first": "float32", "second": "int32"}[name] for name in found.input_names
    ]
    assert found.output_names == ["split", "add", "split_1"]
    values = {"first": np.arange(4, dtype=np.float32)[None], "second": np.arange(4, dtype=np.int32)[None]}
    outputs = found.compute([values[name] for name in found.input_names])
    assert np.array_equal(outputs[0], [[2.0, 3.0]]) and np.array_equal(outputs[2], [[0.0, 1.0]])


def test_masks_reach_the_layers_that_read_them(keras) -> None:
    tokens = keras.Input((6,), dtype="int32")
    x = keras.layers.LSTM(3)(keras.layers.Embedding(9, 4, mask_zero=True)(tokens))
    model = keras.Model(tokens, x)
    words = np.array([[1, 2, 3, 0, 0, 0], [4, 5, 6, 7, 8, 1]], np.int32)
    np.testing.assert_array_equal(NativeModel(model).traced([words])[0], model(words, training=False))


def test_what_is_random_in_training_is_not_in_it(keras) -> None:
    image = keras.Input((8, 8, 4))
    x = keras.layers.Dropout(0.5)(keras.layers.RandomFlip()(image))
    np.testing.assert_array_equal(NativeModel(keras.Model(image, x)).traced([IMAGES])[0], IMAGES)


def test_what_draws_at_inference_is_named(keras) -> None:
    class Noise(keras.layers.Layer):
        def call(self, inputs):
            return inputs + keras.random.normal(keras.ops.shape(inputs))

    image = keras.Input((8, 8, 4))
    with pytest.raises(UnsupportedModelError, match=r"Layer 'noise' \(Noise\) draws random numbers"):
        require_no_randomness(NativeModel(keras.Model(image, Noise()(image))))


@pytest.mark.parametrize(
    ("check", "function", "words"),
    [
        (require_samples_apart, lambda ops, x: x - ops.mean(x, axis=0, keepdims=True), "mixes the samples"),
        (require_samples_apart, lambda ops, x: ops.outer(x, x), "mixes the samples"),
        (require_finite, lambda ops, x: ops.log(x * 0.0 - 1.0), "computes nothing that is finite"),
    ],
)
def test_what_cannot_be_compared_is_named(check, function, words, keras) -> None:
    image = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(4, 1, name="conv")(image)
    found = NativeModel(keras.Model(image, function(keras.ops, x)))
    with pytest.raises(UnsupportedModelError, match=words):
        check(found)


def test_what_can_be_compared_passes(keras) -> None:
    found = NativeModel(colliding(keras))
    for check in (require_samples_apart, require_finite, require_no_randomness):
        check(found)


@pytest.mark.parametrize(("scale", "expected"), [(1 / 255, (0.0, 255.0)), (2.0, None)])
def test_its_first_layer_tells_the_range_of_pixels(scale, expected, keras) -> None:
    image = keras.Input((8, 8, 4))
    x = keras.layers.Rescaling(scale)(image)
    assert own_input_range(NativeModel(keras.Model(image, keras.layers.GroupNormalization(2)(x)))) == expected
    twice = keras.Model(image, [x, keras.layers.GroupNormalization(2)(image)])
    assert own_input_range(NativeModel(twice)) is None


def test_half_precision_is_widened(keras, tmp_path: Path) -> None:
    image = keras.Input((8, 8, 4))
    model = keras.Model(image, keras.ops.logaddexp(keras.layers.ReLU(dtype="mixed_float16", name="half")(image), 0.0))
    model.save(tmp_path / "half.keras")
    loaded = load_noted(tmp_path / "half.keras")
    assert [(note.layer, note.action) for note in loaded.notes] == [("half", "made float32")]
    assert loaded.model(IMAGES).dtype == load_tensorflow().float32


def test_what_assigns_to_a_variable_is_refused(keras) -> None:
    class Counts(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            self.calls = self.add_weight(shape=(), name="calls", trainable=False)

        def call(self, inputs: Any) -> Any:
            self.calls.assign_add(1.0)
            return inputs * self.calls

    image = keras.Input((8, 8, 4))
    model = keras.Model(image, Counts(name="counts")(keras.layers.Conv2D(4, 1)(image)), name="net")
    with pytest.raises(
        UnsupportedModelError, match=r"Layer 'counts' \(Counts\) assigns to its variable 'counts/calls'"
    ):
        export_float(model)


@pytest.mark.parametrize("inside", [False, True])
def test_sparse_tensors_are_refused_by_their_layer(inside, keras) -> None:
    numbers = keras.Input((4,), dtype="int32")
    codes = keras.layers.CategoryEncoding(5, "one_hot", sparse=True, name="codes")
    model = keras.Model(numbers, keras.ops.one_hot(numbers, 5, sparse=True))
    if inside:
        row = keras.Input((1,), dtype="int32")
        model = keras.Model(row, keras.layers.Dense(3)(codes(row)))
    with pytest.raises(UnsupportedModelError, match=r"Layer '(codes|one_hot.*)' \(.*\) makes a sparse tensor"):
        export_float(model)


def test_what_may_be_sparse_and_is_not_passes(keras) -> None:
    image = keras.Input((4,), sparse=True, name="holes")
    model = keras.Model(image, keras.layers.Multiply()([keras.layers.Dense(3)(image), np.ones((1, 3), np.float32)]))
    assert export_float(model)


def test_what_draws_random_numbers_is_refused_by_its_layer(keras) -> None:
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, keras.layers.RandomGrayscale(name="grey")(keras.layers.Conv2D(3, 1)(image)))
    nested = keras.Model(image, keras.layers.Conv2D(2, 1)(model(image)))
    for each in (model, nested):
        with pytest.raises(UnsupportedModelError, match=r"Layer 'grey' \(RandomGrayscale\) draws random numbers"):
            export_float(each)
