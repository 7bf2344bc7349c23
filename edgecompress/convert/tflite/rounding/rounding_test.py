"""The file itself says what it rounds, and which layer computes what."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.convert.targets import Target
from edgecompress.convert.tflite.export import export_float
from edgecompress.convert.tflite.post_training import quantize
from edgecompress.convert.tflite.rounding.codes import Codes, codes_of
from edgecompress.convert.tflite.rounding.layer_outputs import Output, outputs_in
from edgecompress.environment import load_keras
from edgecompress.formats.tflite.file import parse_graph
from edgecompress.testing.tflite_files import run_litert

IMAGES = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    keras = load_keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((8, 8, 3), name="image")
    shared = layers.Conv2D(3, 3, padding="same", use_bias=False, name="twice")
    x = layers.BatchNormalization(name="normed")(shared(layers.ReLU(name="clipped")(shared(image))))
    x = layers.Dropout(0.5, name="idle")(x)
    x = layers.LeakyReLU(negative_slope=0.3, name="leaky")(x)
    x = layers.MaxPooling2D(2, name="peak")(x)
    x = layers.Flatten(name="flat")(x)
    return keras.Model(image, layers.Dense(4, activation="softmax", name="scores")(x), name="net")


def test_every_tensor_is_found_among_the_outputs_of_layers(model) -> None:
    content = export_float(model)
    found = outputs_in(content, model, [IMAGES[:1]])
    graph = parse_graph(content)
    names = {op.kind: found.get(graph.tensors[op.outputs[0]].name) for op in graph.operators}
    assert names["LEAKY_RELU"] == Output("leaky") and names["MAX_POOL_2D"] == Output("peak")
    assert names["SOFTMAX"] == Output("scores") and names["FULLY_CONNECTED"] is None  # inside of a layer
    convolutions = [found[graph.tensors[op.outputs[0]].name] for op in graph.operators if op.kind == "CONV_2D"]
    assert convolutions == [Output("clipped"), Output("normed")]  # neither a fused layer nor the dropout
    assert found["image"] == Output("image")


def test_the_codes_of_each_tensor_and_the_scales_of_kernels(model) -> None:
    content = export_float(model)
    graph = parse_graph(content)
    codes, kernels = codes_of(content)
    made = {op.kind: graph.tensors[op.outputs[0]].name for op in graph.operators}
    leaky, peak, scores = made["LEAKY_RELU"], made["MAX_POOL_2D"], made["SOFTMAX"]
    assert codes[leaky] == Codes(leaky) and codes[peak] == Codes(leaky)  # the greatest of codes is one of them
    assert codes[scores] == Codes(fixed=(0.0, 255 / 256))
    assert sorted((each.elements, each.scales) for each in kernels.values()) == [(81, 3), (81, 3), (192, 4)]
    kept, others = codes_of(content, keep_float="scores")
    assert scores not in kept and len(others) == 2


def test_ranges_that_are_given_are_those_of_the_file_and_need_no_samples(model) -> None:
    content = export_float(model)
    graph = parse_graph(content)
    ranges = {graph.tensors[index].name: (-1.0, 1.55) for index in (*graph.inputs, *graph.producers)}
    made = parse_graph(quantize(content, Target("tflite", "int8"), calibration=None, ranges=ranges))
    quants = [each.quant for each in made.tensors if each.dtype == "int8" and each.data is None and each.quant]
    found = {(round(each.scales[0], 6), each.zero_points[0]) for each in quants}
    assert found == {(0.01, -28), (round(1 / 256, 6), -128)}  # and that of the softmax


def test_no_operator_is_left_in_float_between_codes(model) -> None:
    content = quantize(export_float(model), Target("tflite", "int8"), calibration=(IMAGES,))
    graph = parse_graph(content)
    floats = [op.kind for op in graph.operators if graph.tensors[op.outputs[0]].dtype == "float32"]
    assert floats == ["DEQUANTIZE"]
    (found,) = run_litert(content, IMAGES[:1])
    # Five operators in codes, each of which moves what it is given by half a step of 1/255 of its range.
    assert np.abs(found - np.asarray(model(IMAGES[:1]))).max() < 0.05


def test_a_tile_moves_codes_and_so_stands_between_no_floats() -> None:
    keras = load_keras()
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")(image)
    x = keras.layers.UpSampling2D(2, name="up")(x)
    model = keras.Model(image, keras.layers.Conv2D(2, 1, name="end")(x), name="net")
    content = quantize(export_float(model), Target("tflite", "int8"), calibration=(IMAGES,))
    graph = parse_graph(content)
    tiles = [operator for operator in graph.operators if operator.kind == "TILE"]
    assert tiles
    for tile in tiles:
        before, after = (graph.tensors[index] for index in (tile.inputs[0], tile.outputs[0]))
        assert before.dtype == after.dtype == "int8" and before.quant == after.quant
    expected = model.predict_on_batch(IMAGES)
    found = run_litert(content, IMAGES[:1])[0]
    # Four roundings to 1/255 of the range, at the most: input, convolution, what is moved, and the output.
    assert np.abs(found - expected[:1]).max() <= 4 * np.ptp(expected) / 255
