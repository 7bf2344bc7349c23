"""Outputs that are read on, inputs or outputs twice: each is what the model gives, in every precision and format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.convert.conversion import Source, convert
from edgecompress.convert.targets import Options, parse_target
from edgecompress.environment import load_tf_keras
from edgecompress.errors import ConversionError
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.runtimes.samples import run_samples

INPUTS = np.random.default_rng(7).uniform(-1, 1, (16, 8, 8, 3)).astype(np.float32)
TARGETS = tuple(map(parse_target, ("tflite:int8", "onnx:int8", "tflite:int16x8", "tflite:dynamic", "onnx:float32")))
LEAST_DB = 20.0  # eight bits through three layers; a fault gives less than 5


def layers() -> Any:
    return load_tf_keras().layers


def convolution_read_on(image: Any) -> list[Any]:
    low = layers().Conv2D(8, 3, activation="relu", name="feature")(image)
    return [layers().Conv2D(4, 3, name="head")(low), low]


def residual(image: Any) -> list[Any]:
    low = layers().Conv2D(8, 3, padding="same", activation="relu", name="low")(image)
    return [low, layers().Add(name="high")([low, layers().Conv2D(8, 3, padding="same")(low)])]


def pooled(image: Any) -> list[Any]:
    low = layers().Conv2D(8, 3, activation="relu", name="map")(image)
    return [low, layers().GlobalAveragePooling2D(name="vector")(low), layers().MaxPooling2D(name="peak")(low)]


def flattened(image: Any) -> list[Any]:
    low = layers().Conv2D(8, 3, activation="relu", name="map")(image)
    return [low, layers().Flatten(name="flat")(low)]


def probabilities(image: Any) -> list[Any]:
    pooled = layers().GlobalAveragePooling2D()(layers().Conv2D(8, 3, activation="relu")(image))
    logits = layers().Dense(5, name="logits")(pooled)
    return [logits, layers().Softmax(name="probs")(logits), layers().Activation("sigmoid", name="each")(logits)]


def concatenated(image: Any) -> list[Any]:
    one, two = (layers().Conv2D(4, 3, name=name)(image) for name in ("one", "two"))
    return [one, layers().Concatenate(name="both")([one, two]), two]


def input_as_output(image: Any) -> list[Any]:
    return [layers().Conv2D(3, 3, name="clean")(image), image]


def twice(image: Any) -> list[Any]:
    low = layers().Conv2D(3, 3, name="clean")(image)
    return [low, low, layers().Conv2D(2, 3, name="further")(low)]


@pytest.mark.parametrize(
    "outputs",
    [convolution_read_on, residual, pooled, flattened, probabilities, concatenated, input_as_output, twice],
)
def test_every_output_is_the_model_s(outputs: Callable[[Any], list[Any]], tmp_path: Path) -> None:
    keras = load_tf_keras()
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="picture")
    model = keras.Model(image, outputs(image))
    expected = [np.asarray(each) for each in model(INPUTS)]
    for artifact in convert(Source("m", model, "test"), TARGETS, tmp_path, calibration=(INPUTS,)):
        names = [spec.name for spec in (*artifact.inputs, *artifact.outputs)]
        assert len(set(names)) == len(names) and all(spec.dtype == "float32" for spec in artifact.outputs)
        with RuntimeProcess(artifact.path) as process:
            found = run_samples(process, (INPUTS,))
        for name, want, have in zip(names[1:], expected, found, strict=True):
            noise = np.mean(np.square(want - have))
            assert noise <= np.var(want) / 10 ** (LEAST_DB / 10), (artifact.target, name)
            if want is expected[-1] and outputs is input_as_output:
                assert np.array_equal(want, have)  # an input goes through no quantization


def test_an_input_that_is_an_output_is_so_in_int8_too(tmp_path: Path) -> None:
    keras = load_tf_keras()
    image = keras.Input((8, 8, 3), name="picture")
    model = keras.Model(image, input_as_output(image))
    int8 = TARGETS[:2]
    for artifact in convert(Source("m", model, "t"), int8, tmp_path, options=Options(io="int8"), calibration=(INPUTS,)):
        assert artifact.outputs[1].dtype == "int8" and artifact.outputs[1].quant == artifact.inputs[0].quant
        with RuntimeProcess(artifact.path) as process:
            codes = np.arange(192, dtype=np.uint8).view(np.int8).reshape(1, 8, 8, 3)
            assert np.array_equal(process.run([codes])[1], codes)


def test_a_model_that_computes_nothing_is_refused_in_int8(tmp_path: Path) -> None:
    keras = load_tf_keras()
    image = keras.Input((8, 8, 3), name="picture")
    with pytest.raises(ConversionError, match="outputs are its inputs"):
        convert(Source("m", keras.Model(image, image), "test"), TARGETS[:1], tmp_path, calibration=(INPUTS,))


def test_a_part_of_a_split_that_nothing_reads_has_a_range(tmp_path: Path) -> None:
    keras = load_tf_keras()
    sequence = keras.Input((4, 6))
    model = keras.Model(sequence, keras.layers.Dense(3)(keras.layers.LSTM(8, unroll=True, name="memory")(sequence)))
    samples = np.random.default_rng(0).normal(size=(20, 4, 6)).astype(np.float32)
    for found in convert(Source("m", model, "test"), TARGETS, tmp_path, calibration=(samples,)):
        assert found.agreement[0].signal_to_noise_db > LEAST_DB


def test_loops_are_refused_in_int8_by_name(tmp_path: Path) -> None:
    keras = load_tf_keras()
    sequence = keras.Input((4, 6))
    model = keras.Model(sequence, keras.layers.GRU(8, name="memory")(sequence))
    with pytest.raises(ConversionError, match=r"memory.*\(WHILE\)") as caught:
        convert(Source("m", model, "test"), TARGETS[:1], tmp_path, calibration=(np.zeros((2, 4, 6), np.float32),))
    assert "unroll=True" in caught.value.hint
