"""Every target from one small trained-like network, in its real runtime; and everything that is to be refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgecompress.convert import conversion
from edgecompress.convert.conversion import Source, convert
from edgecompress.convert.embedded import METADATA_KEY
from edgecompress.convert.targets import TARGETS, Options, Target, parse_target
from edgecompress.convert.tflite.post_training import layer_pattern
from edgecompress.environment import load_keras
from edgecompress.errors import ConversionError, UnsupportedModelError
from edgecompress.formats.tflite.file import read_graph
from edgecompress.numerics.affine import dequantize
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.values import Preprocessing

PREPROCESSING = Preprocessing(12, 12, 3, labels=("a", "b", "c", "d"))
GENERATOR = np.random.default_rng(0)
INPUTS = GENERATOR.uniform(-0.3, 0.3, (64, 12, 12, 3)) + GENERATOR.uniform(-0.7, 0.7, (64, 1, 1, 3))  # colours differ
INPUTS = INPUTS.astype(np.float32)


@pytest.fixture(scope="module")
def model():
    keras = load_keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Conv2D(16, 1, activation="relu", name="pointwise")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(4, kernel_initializer=keras.initializers.RandomNormal(stddev=6.0), name="dense")(x)
    return keras.Model(image, layers.Softmax(name="scores")(x), name="small")


GENERAL = tuple(target for target in TARGETS if target.precision != "binary")  # that one needs a binary network


@pytest.fixture(scope="module")
def artifacts(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("artifacts")
    source = Source("dense", model, "test", preprocessing=PREPROCESSING)
    return {artifact.target: artifact for artifact in convert(source, GENERAL, folder, calibration=(INPUTS,))}


def scores(path: str) -> np.ndarray:
    with RuntimeProcess(path) as process:
        _, outputs, _ = process.describe()
        return dequantize(process.run_batch(INPUTS), outputs[0])


# What the scores, in [0, 1], may be off: float32 rounds 2^-24 a sum of some hundred terms; float16 weights carry 2^-11
# each; int8 weights 1/254 and activations 1/255 of their range, through five layers.
TOLERANCES = {"float32": 1e-5, "float16": 5e-3, "dynamic": 5e-2, "int8": 8e-2, "int16x8": 5e-2}


@pytest.mark.parametrize("target", GENERAL, ids=str)
def test_every_target_computes_what_keras_does(target: Target, model, artifacts) -> None:
    expected = model.predict(INPUTS, verbose=0)
    assert np.ptp(expected) > 0.3  # the network tells its inputs apart
    assert np.abs(scores(artifacts[str(target)].path) - expected).max() < TOLERANCES[target.precision]


def test_both_int8_files_are_equal_to_the_last_bit(artifacts) -> None:
    assert scores(artifacts["tflite:int8"].path).tobytes() == scores(artifacts["onnx:int8"].path).tobytes()


def test_an_artifact_carries_names_hash_and_preprocessing(artifacts) -> None:
    for artifact in artifacts.values():
        assert artifact.inputs[0].name == "image" and artifact.outputs[0].name == "scores"
        assert artifact.inputs[0].shape == (1, 12, 12, 3) and artifact.size_bytes == Path(artifact.path).stat().st_size
        assert artifact.preprocessing == PREPROCESSING and not artifact.float_layers
    embedded = json.loads(read_graph(artifacts["tflite:int8"].path).metadata[METADATA_KEY])
    assert embedded["target"] == "tflite:int8" and embedded["preprocessing"]["labels"] == ["a", "b", "c", "d"]
    import onnx

    stored = {entry.key: entry.value for entry in onnx.load(artifacts["onnx:int8"].path).metadata_props}
    assert json.loads(stored[METADATA_KEY])["preprocessing"]["height"] == 12


def test_files_shrink_with_their_precision(artifacts) -> None:
    assert artifacts["tflite:float16"].size_bytes < artifacts["tflite:float32"].size_bytes


@pytest.mark.parametrize("io", ["int8", "uint8"])
def test_integer_inputs_and_outputs_carry_their_scales_and_agree(io, model, artifacts, tmp_path: Path) -> None:
    source = Source("dense", model, "test", preprocessing=PREPROCESSING)
    targets = (parse_target("tflite:int8"), parse_target("onnx:int8"))
    tflite, onnx = convert(source, targets, tmp_path, options=Options(io=io), calibration=(INPUTS,))
    for artifact in (tflite, onnx):
        assert artifact.inputs[0].dtype == artifact.outputs[0].dtype == io
        assert artifact.inputs[0].quant is not None and artifact.outputs[0].quant is not None
    assert tflite.inputs[0].quant.scales == onnx.inputs[0].quant.scales
    assert scores(tflite.path).tobytes() == scores(onnx.path).tobytes()
    # Quantizing at the door is what the file with float inputs does itself.
    assert scores(tflite.path).tobytes() == scores(artifacts["tflite:int8"].path).tobytes()


def test_layers_are_kept_float_by_name(model, tmp_path: Path) -> None:
    source = Source("dense", model, "test", preprocessing=PREPROCESSING)
    (found,) = convert(
        source, (parse_target("tflite:int8"),), tmp_path, options=Options(keep_float="pointwise"), calibration=(INPUTS,)
    )
    assert found.float_layers and all("pointwise" in note.layer for note in found.float_layers)
    assert {note.reason for note in found.float_layers} == {"matches --keep-float"}


def test_the_pattern_matches_whole_layer_names_in_fused_tensor_names() -> None:
    import re

    pattern = re.compile(layer_pattern("conv_pw_1"))
    assert pattern.match("net/conv_pw_1_relu/Relu6;net/conv_pw_1/Conv2D")
    assert not pattern.match("net/conv_pw_11/Conv2D")


def test_what_is_missing_or_does_not_fit_is_refused(model, tmp_path: Path) -> None:
    source = Source("dense", model, "test", preprocessing=PREPROCESSING)
    int8 = (parse_target("tflite:int8"),)
    with pytest.raises(ConversionError, match="needs example inputs") as caught:
        convert(source, int8, tmp_path)
    assert "--calibrate" in caught.value.hint
    with pytest.raises(ConversionError, match=r"calibration inputs have the shape \(8, 8, 3\)"):
        convert(source, int8, tmp_path, calibration=(INPUTS[:, :8, :8],))
    with pytest.raises(ConversionError, match="Nothing is left to compute in int8"):
        convert(source, int8, tmp_path, options=Options(keep_float=".*"), calibration=(INPUTS,))
    with pytest.raises(ConversionError, match="cannot be uint8"):
        convert(source, int8, tmp_path, options=Options(io="uint8", keep_float="stem"), calibration=(INPUTS,))
    with pytest.raises(ConversionError, match="not a regular expression"):
        Options(keep_float="(")
    with pytest.raises(ConversionError, match=r"no target 'tflite:int4'.*Did you mean 'tflite:int8'"):
        parse_target("tflite:int4")
    assert not list(tmp_path.iterdir())


def test_free_sizes_are_refused_by_name(tmp_path: Path) -> None:
    keras = load_keras()
    image = keras.Input((None, None, 3), name="image")
    model = keras.Model(image, keras.layers.Conv2D(2, 3)(image))
    with pytest.raises(UnsupportedModelError, match=r"'image'.*free sizes"):
        convert(Source("dense", model, "test"), (parse_target("tflite:float32"),), tmp_path)


def test_a_file_that_computes_nonsense_is_no_artifact(model, tmp_path: Path) -> None:
    keras = load_keras()
    broken = keras.models.clone_model(model)
    broken.set_weights([weight * np.nan for weight in model.get_weights()])
    with pytest.raises(ConversionError, match="computes nothing that is finite"):
        convert(Source("dense", broken, "test"), (parse_target("tflite:float32"),), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_unsupported_layers_stay_float_after_quantization_aware_training(tmp_path: Path) -> None:
    """Multiply, hard-swish and UpSampling2D: no crash, what TF-MOT left float is listed, and the files say the truth.

    The converter finds ranges for those layers between the fake quantization around them, and so quantizes them too.
    """
    from edgecompress.methods.compress import compress
    from edgecompress.methods.protocol import Prepared
    from edgecompress.methods.quantization import QuantizationAwareTraining
    from edgecompress.methods.step import Stage

    keras = load_keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((12, 12, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", name="conv")(image)
    x = layers.Multiply(name="hard_swish")([x, layers.ReLU(6.0)(x + 3.0)])
    x = layers.UpSampling2D(name="up")(x)
    x = layers.Conv2D(4, 1, name="mix")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, layers.Softmax(name="scores")(layers.Dense(4)(x)))

    class Trainer:
        def optimizer_steps(self, stage: Stage) -> int:
            return 8

        def samples(self, count: int) -> tuple[np.ndarray, ...]:
            return (INPUTS[:count],)

        def train(self, index: int, stage: Stage, prepared: Prepared) -> None:
            prepared.model.compile("adam", "sparse_categorical_crossentropy")
            prepared.model.fit(INPUTS, np.arange(64) % 4, batch_size=8, verbose=0)

    outcome = compress(model, QuantizationAwareTraining(engine="tf-mot"), Trainer())
    source = Source("compressed", outcome.model, "test", quantized=outcome.quantized, preprocessing=PREPROCESSING)
    tflite, onnx = convert(source, (parse_target("tflite:int8"), parse_target("onnx:int8")), tmp_path)
    kept = {note.layer: note.reason for note in outcome.notes if note.action == "kept float"}
    assert kept["hard_swish"] == "TF-MOT has no 8-bit form of Multiply"
    graph = read_graph(tflite.path)
    float_kinds = {o.kind for o in graph.operators if graph.tensors[o.outputs[0]].dtype == "float32"} - {"DEQUANTIZE"}
    assert {note.reason.split()[0] for note in tflite.float_layers} == float_kinds
    assert tflite.float_layers == onnx.float_layers
    expected = outcome.quantized.predict(INPUTS, verbose=0)
    assert np.abs(scores(tflite.path) - expected).max() < TOLERANCES["int8"]
    # Float operators in the middle round differently in the two runtimes; that may move a value by one step of 1/256.
    assert np.abs(scores(tflite.path) - scores(onnx.path)).max() <= 1.001 / 256


def test_where_a_file_stops_is_named(tmp_path, monkeypatch) -> None:
    """Also an operator whose rules nobody knows: here, those of the one that aborts at the scale 1 are left out."""
    monkeypatch.setattr(conversion, "check_tflite", lambda content: ())
    keras = load_keras()
    image = keras.Input((4, 4, 3), name="image")
    model = keras.Model(image, keras.layers.AutoContrast(name="stretched")(image), name="small")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 4, 3)).astype(np.float32)
    pixels[0, 0, 0] = 0, 128, 255
    said = r"crashed \(SIGABRT\).* It stops in 'stretched' \(NOT_EQUAL\)\."
    with pytest.raises(ConversionError, match=said) as error:
        convert(Source("dense", model, "test"), (Target("tflite", "int8"),), tmp_path, calibration=(pixels,))
    assert "--keep-float" in error.value.hint and not list(tmp_path.iterdir())
