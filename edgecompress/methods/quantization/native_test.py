"""What is trained rounds where the file rounds: the file computes what the trained model does, and has its ranges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecompress.convert.conversion import convert
from edgecompress.convert.making import Source
from edgecompress.convert.targets import Target
from edgecompress.convert.tflite.rounding.trained_ranges import trained_ranges, without_rounding
from edgecompress.environment import load_keras
from edgecompress.errors import MethodError
from edgecompress.formats.tflite.file import read_graph
from edgecompress.keras_bridge.keras3_file import save_keras3
from edgecompress.keras_bridge.native import NativeModel
from edgecompress.layers.rounding.activation_range import ActivationRange
from edgecompress.loading import load_noted
from edgecompress.methods.composition import chain
from edgecompress.methods.compress import compress
from edgecompress.methods.pruning import MagnitudePruning
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.methods.sharing import KMeansSharing
from edgecompress.runtimes.process import RuntimeProcess
from edgecompress.runtimes.samples import run_samples

NATIVE = QuantizationAwareTraining(engine="native")
INT8 = Target("tflite", "int8")


def modern():
    """What MobileNetV3 and its kin are made of, none of which TF-MOT can quantize."""
    keras = load_keras()
    keras.utils.set_random_seed(2)
    layers = keras.layers
    image = keras.Input((8, 8, 4), name="image")
    x = layers.Rescaling(0.5, name="scaled")(image)
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="stem")(x)
    x = layers.BatchNormalization(name="stem_bn")(x)
    x = low = layers.Activation("hard_silu", name="stem_act")(x)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="deep")(x)
    x = layers.Activation("silu", name="deep_act")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(x)
    gate = layers.Conv2D(16, 1, activation="hard_sigmoid", name="excite")(gate)
    x = layers.Multiply(name="gated")([x, gate])
    x = layers.Conv2D(8, 1, activation="gelu", name="project")(x)
    x = layers.Add(name="residual")([x, low])
    peaks, means = layers.MaxPooling2D(2, name="peaks")(x), layers.AveragePooling2D(2, name="means")(x)
    x = layers.Concatenate(name="both")([peaks, means])
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same", name="upward")(x)
    x = layers.LeakyReLU(negative_slope=0.25, name="leaky")(x)
    x = layers.Dropout(0.1, name="drop")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(4, activation="softmax", name="scores")(x), name="modern")


@pytest.fixture
def modern_model():
    return modern()


@pytest.fixture(scope="module")
def trained_natively(trainer):
    """A modern model after its training, of which nothing may be changed."""
    return compress(modern(), NATIVE, trainer)


def emitted(outcome, folder: Path) -> Path:
    source = Source("compressed", outcome.model, "test", quantized=outcome.quantized)
    (artifact,) = convert(source, (INT8,), folder)  # nothing is left to calibrate
    return Path(artifact.path)


def test_the_file_computes_what_was_trained_without_a_float_operator(trained_natively, inputs, tmp_path) -> None:
    outcome = trained_natively
    assert {note.action for note in outcome.notes} == {"quantized"}
    path = emitted(outcome, tmp_path)
    graph = read_graph(path)
    floats = [op.kind for op in graph.operators if graph.tensors[op.outputs[0]].dtype == "float32"]
    assert floats == ["DEQUANTIZE"]
    with RuntimeProcess(path) as process:
        (found,) = run_samples(process, [inputs])
    (expected,) = NativeModel(outcome.quantized).compute([inputs])
    # Steps of 1/256 of the scores. Steps inside of layers (the ReLU6 of a hard sigmoid, means of a pool) are not
    # trained on, and a tie may fall to either side in each of a dozen layers.
    assert np.abs(found - expected).max() <= 6 / 256 and np.abs(found - expected).mean() < 1 / 256


def test_the_ranges_that_were_learnt_are_those_of_the_file(trained_natively, tmp_path) -> None:
    outcome = trained_natively
    graph = read_graph(emitted(outcome, tmp_path))
    quants = {tensor.name: tensor.quant for tensor in graph.tensors}
    found = 0
    for layer in outcome.quantized.layers:
        if isinstance(layer, ActivationRange) and quants.get(layer.tensor):  # those of inputs are called otherwise
            low, high = layer.range
            scale = (np.float32(high) - np.float32(low)) / np.float32(255)
            if layer.kind == "moving":
                assert quants[layer.tensor].scales[0] == pytest.approx(scale, rel=1e-6)
                assert quants[layer.tensor].zero_points[0] == pytest.approx(-128 - low / scale, abs=0.51)
                found += 1
    assert found >= 10


def test_where_nothing_is_left_it_is_refused(plain_model, trainer) -> None:
    with pytest.raises(MethodError, match="No layer of 'plain' can be quantized: 5 of 5 were not chosen"):
        compress(plain_model, QuantizationAwareTraining(engine="native", keep_float=".*"), trainer)


def test_ranges_can_be_learnt(plain_model, trainer, tmp_path) -> None:
    methods = (QuantizationAwareTraining(engine="native", ranges=each) for each in ("moving", "learned"))
    moving, learned = (compress(plain_model, method, trainer) for method in methods)
    one, other = (trained_ranges(each.quantized).ranges for each in (moving, learned))
    assert one.keys() == other.keys() and one != other
    emitted(learned, tmp_path)
    assert trained_ranges(compress(plain_model, QuantizationAwareTraining(ranges="learned"), trainer).quantized)
    with pytest.raises(MethodError, match="which TF-MOT has not"):
        QuantizationAwareTraining(engine="tf-mot", ranges="learned")


def test_kernels_are_rounded_filter_by_filter(trained_natively) -> None:
    outcome = trained_natively
    for name, axes in (("stem", (0, 1, 2)), ("deep", (0, 1)), ("upward", (0, 1, 3)), ("scores", (0,))):
        rounded = np.asarray(outcome.quantized.get_layer(name).kernel)
        plain = np.asarray(outcome.model.get_layer(name).kernel)
        scale = np.abs(plain).max(axes, keepdims=True) / 127
        codes = rounded / scale
        assert np.abs(codes - np.rint(codes)).max() < 1e-3 and np.abs(rounded - plain).max() <= 0.501 * scale.max()


def test_zeros_and_shared_values_are_kept(modern_model, trainer) -> None:
    stages = []
    method = chain(MagnitudePruning(sparsity=0.5), KMeansSharing(8, 8), NATIVE)
    compress(modern_model, method, trainer, on_stage=lambda index, outcome: stages.append(outcome))
    for name in stages[1].constraints[-1].layers:
        models = stages[1].model, stages[2].model, stages[2].quantized
        shared, plain, rounded = (np.asarray(each.get_layer(name).kernel) for each in models)
        assert len(np.unique(plain)) <= len(np.unique(shared)) and not plain[shared == 0].any()
        assert not rounded[shared == 0].any() and (rounded != shared).any()


def test_zeros_of_pruning_are_kept(plain_model, trainer) -> None:
    pruned = compress(plain_model, MagnitudePruning(sparsity=0.5), trainer).model
    both = compress(plain_model, chain(MagnitudePruning(sparsity=0.5), NATIVE), trainer)
    for model in (both.model, both.quantized):
        for name in ("conv", "scores"):
            zero = np.asarray(pruned.get_layer(name).kernel) == 0
            assert zero.any() and not np.asarray(model.get_layer(name).kernel)[zero].any()


def test_layers_are_kept_float_and_the_saved_model_says_so(modern_model, trainer, inputs, tmp_path) -> None:
    outcome = compress(modern_model, QuantizationAwareTraining(engine="native", keep_float="stem|scores"), trainer)
    assert {note.layer for note in outcome.notes if note.action == "kept float"} >= {"stem", "scores"}
    save_keras3(outcome.quantized, tmp_path / "saved.keras")
    saved = load_noted(tmp_path / "saved.keras").model
    assert trained_ranges(saved) == trained_ranges(outcome.quantized)
    for each in (outcome.model, without_rounding(saved)):
        graph = read_graph(emitted(replace(outcome, model=each, quantized=saved), tmp_path))
        made = [graph.tensors[op.outputs[0]] for op in graph.operators if op.kind == "CONV_2D"]
        assert [("stem" in each.name) for each in made] == [each.dtype == "float32" for each in made]


@pytest.mark.parametrize(
    ("model", "why"),
    [("plain_model", ""), ("awkward_model", "TF-MOT has no 8-bit form"), ("modern_model", "TF-MOT")],
)
def test_by_tfmot_where_it_covers_all_and_natively_where_it_does_not(model, why, trainer, request) -> None:
    outcome = compress(request.getfixturevalue(model), QuantizationAwareTraining(), trainer)
    assert (trained_ranges(outcome.quantized) is not None) == bool(why)
    for note in outcome.notes:
        if note.action == "quantized":
            assert note.reason.startswith("natively: ") and why in note.reason if why else not note.reason


@pytest.mark.parametrize("bits", [2, 4])
def test_weights_of_few_bits_are_those_of_the_file(bits: int, modern_model, trainer, inputs, tmp_path) -> None:
    scores = modern_model.get_layer("scores")
    scores.set_weights([scores.get_weights()[0] * 20, scores.get_weights()[1]])  # or all scores are the same
    method = QuantizationAwareTraining(bits=bits, layer_bits={"stem|scores": 8})
    outcome = compress(modern_model, method, trainer)
    levels = 2 ** (bits - 1) - 1
    assert {note.figures.get("bits") for note in outcome.notes if note.layer not in ("stem", "scores")} == {bits}
    path = emitted(outcome, tmp_path)
    graph = read_graph(path)
    found = {}
    for operator in graph.operators:
        if operator.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED"):
            tensor, kernel = graph.tensors[operator.inputs[1]], graph.stored_constant(operator.inputs[1])
            codes, quant = kernel.dense(), tensor.quant
            shape = [-1 if axis == quant.axis else 1 for axis in range(codes.ndim)]
            layers = set(graph.tensors[operator.outputs[0]].name.replace(";", "/").split("/"))
            found |= dict.fromkeys(layers, codes * np.reshape(quant.scales, shape))
            if not layers & {"stem", "stem_act", "scores"}:
                assert set(np.unique(codes)) <= {127 // levels * each for each in range(-levels, levels + 1)}, layers
    for layer in ("excite", "project"):  # kernels of 1 x 1, without a batch norm: [filters, 1, 1, inputs]
        expected = np.asarray(outcome.quantized.get_layer(layer).kernel)[0, 0].T[:, None, None]
        # Products of a whole code and a float32 scale: a unit or two in the last place.
        np.testing.assert_allclose(found[layer], expected, rtol=1e-6)
    with RuntimeProcess(path) as process:
        (scores,) = run_samples(process, [inputs])
    (expected,) = NativeModel(outcome.quantized).compute([inputs])
    assert np.abs(scores - expected).max() <= 6 / 256  # as in 8 bits


def test_bits_that_are_none_are_refused(plain_model, trainer) -> None:
    for wrong in ({"bits": 1}, {"bits": 9}, {"layer_bits": {"stem": 16}}):
        with pytest.raises(MethodError, match="got bits"):
            QuantizationAwareTraining(**wrong)
    with pytest.raises(MethodError, match="'tf-mot' and weights of fewer bits than 8"):
        QuantizationAwareTraining(engine="tf-mot", bits=4)
    with pytest.raises(MethodError, match="matches the pattern 'nothing'"):
        compress(plain_model, QuantizationAwareTraining(layer_bits={"nothing": 4}), trainer)
