"""Files that compute something else than their source are no artifacts, whatever the fault; good ones say how good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecompress.convert import emitters, making
from edgecompress.convert.comparison import Reference, TooFar, compare, keras_function, references
from edgecompress.convert.conversion import Source, convert
from edgecompress.convert.probes import Probes
from edgecompress.convert.targets import TARGETS, parse_target
from edgecompress.convert.tflite.export import export_float
from edgecompress.environment import load_keras, load_tensorflow, load_tf_keras
from edgecompress.errors import ConversionError

INPUTS = np.random.default_rng(0).uniform(-1, 1, (20, 8, 8, 3)).astype(np.float32)
GENERAL = tuple(target for target in TARGETS if target.precision != "binary")


def network(*, epsilon: float = 1e-3, activation: str = "relu", seed: int = 0) -> Any:
    """Two heads; `epsilon` and `activation` are what a conversion may get wrong in silence."""
    keras = load_tf_keras()
    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(8, 3, use_bias=False)(image)
    norm = keras.layers.BatchNormalization(epsilon=epsilon)
    x = keras.layers.Activation(activation)(norm(x))
    norm.set_weights([np.ones(8), np.zeros(8), np.zeros(8), np.full(8, 0.01)])
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, [keras.layers.Dense(3, name="first")(x), keras.layers.Dense(2, name="second")(x)])


@pytest.fixture(scope="module")
def model() -> Any:
    return network()


def reference(model: Any) -> Reference:
    return Reference("net", Probes("noise", (INPUTS[:6],)), keras_function(model))


def test_sets_of_probes_share_one_run_where_they_can(model: Any) -> None:
    runs = []

    def compute(arrays: Any) -> list[np.ndarray]:
        runs.append(len(arrays[0]))
        return [arrays[0] * 2, arrays[0].sum(axis=1)]

    noise, calibration = Probes("noise", (INPUTS[:6],)), Probes("calibration", (INPUTS[6:10],))
    found = references("net", compute, noise, calibration)
    for probes in (calibration, noise):
        for shared, own in zip(found[probes.kind].outputs, Reference("net", probes, compute).outputs, strict=True):
            np.testing.assert_array_equal(shared, own)
    assert runs == [10, 4, 6]
    integers = Probes("calibration", (INPUTS[6:10].astype(np.int32),))
    found = references("net", compute, noise, integers)
    assert [found[kind].outputs[0].dtype for kind in ("noise", "calibration")] == [np.float32, np.int32]
    assert runs[3:] == [6, 4]


def test_a_source_that_mixes_samples_is_not_excused_by_the_other_probes(tmp_path: Path) -> None:
    """It computes something else from noise alone than beside calibration samples, which is no amplified rounding."""
    keras = load_tf_keras()
    inputs = keras.Input((4,), name="numbers")
    model = keras.Model(inputs, inputs * load_tensorflow().reduce_mean(inputs))
    (tmp_path / "mixed.tflite").write_bytes(export_float(model))
    rows = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    sets = Probes("noise", (rows[:6],)), Probes("calibration", (rows[6:],))
    for found in references("net", keras_function(model), *sets).values():
        with pytest.raises(TooFar, match="dB of signal to noise where 84"):
            compare(tmp_path / "mixed.tflite", found, precision="float32")


@pytest.mark.parametrize(
    "other", [{"epsilon": 1.1e-3}, {"activation": "relu6"}, {"activation": "elu"}, {"seed": 1}], ids=str
)
def test_a_small_fault_is_seen_in_float(model: Any, other: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "good.tflite").write_bytes(export_float(model))
    compared = compare(tmp_path / "good.tflite", reference(model), precision="float32")
    assert [each.output for each in compared.agreement] == ["first", "second"] and not compared.warnings
    assert all(each.signal_to_noise_db > 110 and each.samples == 6 for each in compared.agreement)
    (tmp_path / "bad.tflite").write_bytes(export_float(network(**other)))
    with pytest.raises(TooFar, match=r"output 'first' is up to .* dB of signal to noise where 84 are asked for"):
        compare(tmp_path / "bad.tflite", reference(model), precision="float32")


@pytest.mark.parametrize(
    ("target", "module", "maker"),
    [
        ("onnx:float32", emitters, "emit_onnx"),
        ("onnx:int8", emitters, "emit_onnx"),
        ("tflite:int8", making, "quantize"),
        ("tflite:dynamic", emitters, "quantize"),
    ],
)
def test_what_a_converter_gets_wrong_is_refused_and_nothing_is_kept(
    model: Any, target: str, module: Any, maker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest, wrong = getattr(module, maker), export_float(network(seed=1))
    monkeypatch.setattr(module, maker, lambda content, *given, **named: honest(wrong, *given, **named))
    with pytest.raises(ConversionError, match=rf"The {target} file of 'm' computes something else.*'first'") as caught:
        convert(Source("m", model, "test"), (parse_target(target),), tmp_path, calibration=(INPUTS,))
    assert "Nothing was kept" in caught.value.message and caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_fault_of_the_float_file_is_seen_behind_int8(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epsilon that int8's bounds would let pass."""
    wrong = export_float(network(epsilon=1.1e-3))
    monkeypatch.setattr("edgecompress.convert.tflite.export.export_float", lambda model, sparse: wrong)
    with pytest.raises(ConversionError, match="where 84 are asked for"):
        convert(Source("m", model, "test"), (parse_target("tflite:int8"),), tmp_path, calibration=(INPUTS,))


def test_every_artifact_says_how_it_agrees(model: Any, tmp_path: Path) -> None:
    for artifact in convert(Source("m", model, "test"), GENERAL, tmp_path, calibration=(INPUTS,)):
        calibrated = artifact.target.partition(":")[2] in ("int8", "int16x8")
        assert [each.output for each in artifact.agreement] == ["first", "second"]
        assert {each.inputs for each in artifact.agreement} == {"calibration" if calibrated else "noise"}
        least = min(each.signal_to_noise_db for each in artifact.agreement)
        assert least > {"float32": 110, "float16": 55}.get(artifact.target.partition(":")[2], 25)
        assert artifact.warnings == ()


def test_between_floor_and_ordinary_there_is_a_warning(tmp_path: Path) -> None:
    """One input in a thousand takes the range, so that the others share a few steps."""
    keras = load_tf_keras()
    keras.utils.set_random_seed(0)
    image = keras.Input((10,), name="image")
    model = keras.Model(image, keras.layers.Dense(4, name="scores")(image))
    samples = np.random.default_rng(0).normal(size=(400, 10)).astype(np.float32)
    samples[7] *= 30  # not among those that are compared
    (artifact,) = convert(Source("m", model, "test"), (parse_target("tflite:int8"),), tmp_path, calibration=(samples,))
    assert 10 <= artifact.agreement[0].signal_to_noise_db < 20
    assert "Output 'scores' has" in artifact.warnings[0] and "20 are ordinary" in artifact.warnings[0]


def test_a_refusal_in_int8_names_the_first_tensor_that_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel of the middle layer is another one in the int8 file."""

    def chain(seed: int) -> Any:
        keras = load_tf_keras()
        keras.utils.set_random_seed(0)
        image = keras.Input((8, 8, 3), name="image")
        x = keras.layers.Conv2D(6, 3, name="low")(image)
        kernel = keras.initializers.RandomNormal(seed=seed)
        x = keras.layers.Conv2D(6, 3, name="middle", kernel_initializer=kernel)(x)
        return keras.Model(image, keras.layers.Conv2D(2, 3, name="high")(x), name="chain")

    honest, wrong = making.quantize, export_float(chain(5))
    monkeypatch.setattr(making, "quantize", lambda content, *given, **named: honest(wrong, *given, **named))
    with pytest.raises(ConversionError, match=r"output 'high'.*middle[^']*' is the first tensor that parts"):
        convert(Source("m", chain(4), "test"), (parse_target("tflite:int8"),), tmp_path, calibration=(INPUTS,))


def test_a_source_that_draws_random_numbers_is_said_to(tmp_path: Path) -> None:
    keras = load_tf_keras()
    inputs = keras.Input((40,), name="numbers")
    model = keras.Model(inputs, keras.layers.Dropout(0.1)(inputs, training=True), name="drops")
    with pytest.raises(ConversionError, match="'drops' gives other outputs for the same inputs: it draws random"):
        convert(Source("drops", model, "test"), (parse_target("tflite:float32"),), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_that_does_not_run_is_a_sentence() -> None:
    keras = load_keras()
    image = keras.Input((3, 3))
    model = keras.Model(image, keras.ops.cholesky(image), name="root")  # of what is no product with its transpose
    with pytest.raises(ConversionError, match="'root' does not run on inputs of its shapes"):
        keras_function(model)([-np.ones((2, 3, 3), np.float32)])
