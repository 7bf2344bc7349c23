"""Model files to TFLite and ONNX: one that nobody here wrote, and all that can be wrong with a file."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecompress.convert.targets import Options, parse_target
from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.errors import (
    ConversionError,
    DataError,
    EdgeCompressError,
    ModelFileError,
    UnsupportedModelError,
    UntrustedCodeError,
)
from edgecompress.loading import load_model
from edgecompress.numerics.affine import dequantize
from edgecompress.pipeline.convert import convert_file
from edgecompress.pipeline.emitting.process import emitter
from edgecompress.runs.folder import RunFolder
from edgecompress.runtimes.process import RuntimeProcess

SHARED = Path(__file__).parents[2].parent / "shared" / "models" / "mlperf_vww_mobilenetv1_025_96.h5"
FLOAT = (parse_target("tflite:float32"),)
INT8 = (parse_target("tflite:int8"), parse_target("onnx:int8"))
DEFAULTS = Options()


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Forty colour images without labels, directly in a folder."""
    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    for index in range(40):
        coarse = generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((120, 100), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return folder


def save(folder: Path, *layers, shape=(8, 8, 3)) -> Path:
    keras = load_tf_keras()
    image = keras.Input(shape)
    x = image
    for layer in layers:
        x = layer(x)
    keras.Model(image, x, name="small").save(folder / "model.h5")
    return folder / "model.h5"


@pytest.mark.slow
def test_a_real_model_that_nobody_here_wrote(photos: Path, tmp_path: Path) -> None:
    if not SHARED.exists():
        pytest.skip(f"{SHARED.name} is not beside the checkout")
    artifacts = convert_file(
        SHARED,
        (*FLOAT, parse_target("onnx:float32"), *INT8),
        tmp_path / "out",
        options=DEFAULTS,
        input_range=(0.0, 1.0),
        calibrate=f"folder:{photos}:40",
    )
    assert RunFolder(tmp_path / "out").read_artifacts() == artifacts
    inputs = np.random.default_rng(1).uniform(0, 1, (20, 96, 96, 3)).astype(np.float32)
    expected = load_model(SHARED).predict(inputs, verbose=0)
    found = {}
    for artifact in artifacts:
        assert not artifact.float_layers and artifact.preprocessing.scale == (1 / 255,)
        with RuntimeProcess(tmp_path / "out" / artifact.path) as process:
            _, outputs, _ = process.describe()
            found[artifact.target] = dequantize(process.run_batch(inputs), outputs[0])
    for target in ("tflite:float32", "onnx:float32"):
        np.testing.assert_allclose(found[target], expected, rtol=0, atol=1e-5)  # float32 sums in another order
    # Two softmax outputs quantized to 1/256: equal, or one step apart where a value lies on the edge between two.
    assert np.abs(found["tflite:int8"] - found["onnx:int8"]).max() <= 1.001 / 256


@pytest.mark.parametrize("content", [b"", b"not a model", b"\x89HDF\r\n\x1a\n" + bytes(100), b"PK\x03\x04" + bytes(50)])
def test_what_is_not_a_model_is_a_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"model\.h5"):
        convert_file(tmp_path / "model.h5", FLOAT, tmp_path / "out", options=DEFAULTS)
    assert not (tmp_path / "out").exists()


def test_bit_flips_are_sentences_or_models(tmp_path: Path) -> None:
    good = save(tmp_path, load_tf_keras().layers.Conv2D(2, 3, name="conv")).read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(8):
        damaged = bytearray(good)
        for position in generator.integers(len(good), size=4):
            damaged[position] ^= 1 << int(generator.integers(8))
        (tmp_path / "model.h5").write_bytes(bytes(damaged))
        try:
            convert_file(tmp_path / "model.h5", FLOAT, tmp_path / "out", options=DEFAULTS)
        except EdgeCompressError:
            continue


def test_code_is_refused_unless_trusted(tmp_path: Path) -> None:
    path = save(tmp_path, load_tf_keras().layers.Lambda(lambda x: x * 2.0, name="double"))
    with pytest.raises(UntrustedCodeError, match="layer double"):
        convert_file(path, FLOAT, tmp_path / "out", options=DEFAULTS)
    assert convert_file(path, FLOAT, tmp_path / "out", options=DEFAULTS, trust=True)


def test_calibration_needs_images_or_arrays_of_the_inputs(photos: Path, tmp_path: Path) -> None:
    path = save(tmp_path, load_tf_keras().layers.Dense(2), shape=(7,))
    with pytest.raises(UnsupportedModelError, match=r"\(7,\), no image of 1 or 3 channels"):
        convert_file(path, INT8, tmp_path / "out", options=DEFAULTS, calibrate=f"folder:{photos}:4")
    with pytest.raises(ConversionError, match="needs example inputs"):
        convert_file(path, INT8, tmp_path / "out", options=DEFAULTS)
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(size=(30, 7)))
    for artifact in convert_file(path, INT8, tmp_path / "out", options=DEFAULTS, calibrate=f"npz:{tmp_path / 'x.npz'}"):
        assert artifact.agreement[0].inputs == "calibration" and artifact.agreement[0].signal_to_noise_db > 25


def test_two_inputs_are_calibrated_together(tmp_path: Path) -> None:
    keras = load_tf_keras()
    keras.utils.set_random_seed(0)
    image, sensors = keras.Input((8, 8, 3), name="image"), keras.Input((4,), name="sensors")
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3)(image))
    x = keras.layers.Concatenate()([x, keras.layers.Dense(4)(sensors)])
    keras.Model([image, sensors], keras.layers.Dense(3)(x)).save(tmp_path / "two.h5")
    generator = np.random.default_rng(0)
    np.savez(tmp_path / "in.npz", image=generator.normal(size=(20, 8, 8, 3)), sensors=generator.normal(size=(20, 4)))
    calibrate = f"npz:{tmp_path / 'in.npz'}:12"
    for artifact in convert_file(tmp_path / "two.h5", INT8, tmp_path / "out", options=DEFAULTS, calibrate=calibrate):
        assert [spec.name for spec in artifact.inputs] == ["image", "sensors"]
        assert artifact.agreement[0].samples == 12 and artifact.agreement[0].signal_to_noise_db > 25


def test_the_range_of_pixels_is_the_model_s_own_or_asked_for(photos: Path, tmp_path: Path) -> None:
    layers = load_tf_keras().layers
    own = save(tmp_path, layers.Rescaling(1 / 127.5, offset=-1.0), layers.Conv2D(2, 3))
    (found,) = convert_file(own, INT8[:1], tmp_path / "own", options=DEFAULTS, calibrate=f"folder:{photos}:9")
    assert found.preprocessing.scale == (1.0,) and found.preprocessing.offset == (0.0,)
    assert found.agreement[0].signal_to_noise_db > 25 and "0..255" in found.assumptions[0]
    silent = save(tmp_path, layers.Conv2D(2, 3))
    with pytest.raises(ConversionError, match="not known what range") as caught:
        convert_file(silent, INT8, tmp_path / "out", options=DEFAULTS, calibrate=f"folder:{photos}:9")
    assert "--input-range" in caught.value.hint
    (found,) = convert_file(silent, FLOAT, tmp_path / "out", options=DEFAULTS)
    assert found.preprocessing is None and "does not tell" in found.assumptions[0]
    with pytest.raises(ConversionError, match="the lower one first"):
        convert_file(silent, FLOAT, tmp_path / "out", options=DEFAULTS, input_range=(1.0, 0.0))


def test_another_kind_of_a_file_has_another_name(photos: Path, tmp_path: Path) -> None:
    path = save(tmp_path, load_tf_keras().layers.Conv2D(2, 3))
    for io in ("float32", "int8", "uint8"):
        convert_file(
            path,
            INT8,
            tmp_path / "out",
            options=Options(io=io),
            input_range=(0.0, 1.0),
            calibrate=f"folder:{photos}:9",
        )
    names = {artifact.path for artifact in RunFolder(tmp_path / "out").read_artifacts()}
    assert names == {
        f"model.int8{io}.{suffix}" for io in ("", ".io-int8", ".io-uint8") for suffix in ("tflite", "onnx")
    }


def test_sparse_is_refused_or_answered(tmp_path: Path) -> None:
    path = save(tmp_path, load_tf_keras().layers.Conv2D(2, 3))
    with pytest.raises(ConversionError, match="--sparse is for tflite:float32"):
        convert_file(path, (parse_target("onnx:float32"),), tmp_path / "out", options=Options(sparse=True))
    (found,) = convert_file(path, FLOAT, tmp_path / "out", options=Options(sparse=True))
    assert "--sparse changed nothing" in found.warnings[0]


def test_an_empty_calibration_set_is_a_sentence(tmp_path: Path) -> None:
    path = save(tmp_path, load_tf_keras().layers.Conv2D(2, 3))
    (tmp_path / "empty").mkdir()
    for calibrate in (f"folder:{tmp_path / 'empty'}:10", "digits:0", f"folder:{tmp_path / 'none'}"):
        with pytest.raises(DataError):
            convert_file(path, INT8, tmp_path / "out", options=DEFAULTS, calibrate=calibrate, input_range=(0.0, 1.0))
    assert not (tmp_path / "out").exists()


def test_a_crash_while_converting_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    path = save(tmp_path, load_tf_keras().layers.Conv2D(2, 3))
    with emitter() as child:
        child.open(path)
        child._process._process.send_signal(signal.SIGSEGV)
        with pytest.raises(ConversionError, match=r"process that converts 'model\.h5' crashed \(SIGSEGV\)"):
            child.emit(FLOAT, tmp_path / "out", variant="m", origin="", options=DEFAULTS, preprocessing=None)
    assert not (tmp_path / "out").exists()
    assert convert_file(path, FLOAT, tmp_path / "out", options=DEFAULTS)  # in a new process


@pytest.mark.parametrize("target", ["tflite:float32", "tflite:int8"])
def test_a_layer_that_mixes_the_samples_of_a_batch_is_named(target: str, tmp_path: Path) -> None:
    """A file takes one sample at a time, so that its output is another; the comparison's refusal says why."""
    keras = load_tf_keras()
    inputs = keras.Input((12,), name="numbers")
    centred = inputs - load_tensorflow().reduce_mean(inputs, 0, keepdims=True)
    keras.Model(inputs, keras.layers.Dense(3)(centred)).save(tmp_path / "model.h5")
    np.savez(tmp_path / "numbers.npz", x=np.random.default_rng(0).normal(size=(30, 12)).astype(np.float32))
    calibrate = f"npz:{tmp_path}/numbers.npz"
    with pytest.raises(UnsupportedModelError, match=r"Layer 'tf.math.reduce_mean\w*' \(TFOpLambda\) mixes the samples"):
        convert_file(
            tmp_path / "model.h5", (parse_target(target),), tmp_path / "out", options=DEFAULTS, calibrate=calibrate
        )
    assert not list((tmp_path / "out").glob("*.tflite"))


def test_a_layer_that_draws_random_numbers_is_named(tmp_path: Path) -> None:
    keras = load_tf_keras()
    steps = keras.Input((5, 4))
    dropped = keras.layers.Dropout(0.3, name="drops")(steps, training=True)
    keras.Model(steps, keras.layers.LSTM(6, unroll=True)(dropped)).save(tmp_path / "model.h5")
    with pytest.raises(UnsupportedModelError, match=r"Layer 'drops' \(Dropout\) draws random numbers at inference"):
        convert_file(tmp_path / "model.h5", FLOAT, tmp_path / "out", options=DEFAULTS)
    assert not list((tmp_path / "out").glob("*.tflite"))
