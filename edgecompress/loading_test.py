"""Model files are hostile: what is loaded, what is refused, and with which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from edgecompress.environment import load_keras, load_tensorflow, load_tf_keras
from edgecompress.errors import EdgeCompressError, ModelFileError, UnsupportedModelError, UntrustedCodeError
from edgecompress.loading import load_noted
from edgecompress.methods.compress import compress
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.tfmot.keras2_file import is_quantization_aware, save_keras2

SHARED = Path(__file__).parents[2].parent / "shared" / "models"


def load(path: Path, *, trust: bool = False):
    """Return the model as the Keras that wrote the file has it."""
    return load_noted(path, trust=trust).model


def small(keras: Any = None):
    keras = keras or load_tf_keras()
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 1))
    x = keras.layers.Conv2D(2, 3, activation="relu")(image)
    return keras.Model(image, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(x)), name="small")


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_what_keras_2_saved_comes_back(suffix: str, tmp_path: Path) -> None:
    model, path = small(), tmp_path / f"model{suffix}"
    model.save(path)
    loaded = load(path)
    for expected, found in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert expected.tobytes() == found.tobytes()


def test_a_quantization_aware_model_comes_back(tmp_path: Path) -> None:
    class NoTrainer:
        def optimizer_steps(self, stage) -> int:
            return 1

        def samples(self, count: int) -> tuple[np.ndarray, ...]:
            return (np.zeros((count, 8, 8, 3), np.float32),)

        def train(self, index: int, stage, prepared) -> None:
            pass

    quantized = compress(small(load_keras()), QuantizationAwareTraining(), NoTrainer()).quantized
    save_keras2(quantized, tmp_path / "qat.h5")
    loaded = load(tmp_path / "qat.h5")
    assert is_quantization_aware(loaded) and not is_quantization_aware(small())
    for expected, found in zip(quantized.get_weights(), loaded.get_weights(), strict=True):
        assert expected.tobytes() == found.tobytes()


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_layers_of_this_package_come_back_without_trust(suffix: str, tmp_path: Path) -> None:
    from edgecompress.layers.dense import BinaryDense

    image = load_keras().Input((4,))
    model, path = load_keras().Model(image, BinaryDense(3, scaled=True)(image)), tmp_path / f"model{suffix}"
    model.save(path)
    assert type(load(path).layers[1]) is BinaryDense


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_code_is_run_only_when_trusted(suffix: str, tmp_path: Path) -> None:
    keras = load_tf_keras()
    image = keras.Input((4,))
    mark = tmp_path / "was-run"
    layer = keras.layers.Lambda(lambda x, mark=str(mark): x * 2.0, name="sneaky")
    keras.Model(image, layer(image)).save(tmp_path / f"model{suffix}")
    with pytest.raises(UntrustedCodeError, match="layer sneaky") as caught:
        load(tmp_path / f"model{suffix}")
    assert "--trust" in caught.value.hint
    loaded = load(tmp_path / f"model{suffix}", trust=True)
    assert loaded(np.ones((1, 4), np.float32)).numpy().tolist() == [[2.0] * 4]


@pytest.mark.parametrize("door", ["TFOpLambda", "initializer", "nested"])
def test_a_function_that_a_file_names_is_not_called(door: str, tmp_path: Path) -> None:
    keras = load_tf_keras()
    image, written = keras.Input((4,)), tmp_path / "written_by_a_model.txt"
    inner = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, name="deep")], name="inner")
    model = keras.Model(image, inner(keras.layers.Dense(2, name="d")(image)) + 1.0)
    save_keras2(model, tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        dense, nested, call = config["config"]["layers"][1:]
        if door == "TFOpLambda":
            call["config"]["function"] = "io.write_file"
            call["inbound_nodes"] = [["_CONSTANT_VALUE", -1, str(written), {"contents": "hello"}]]
        else:
            place = dense if door == "initializer" else nested["config"]["layers"][1]
            place["config"]["kernel_initializer"] = {
                "class_name": "io.write_file",
                "module": "tensorflow",
                "config": {},
            }
        file.attrs["model_config"] = json.dumps(config)
    name = {"TFOpLambda": call["config"]["name"], "initializer": "d", "nested": "deep"}[door]
    with pytest.raises(UntrustedCodeError, match=rf"in the layer {name} \(the .*io\.write_file.*\)") as caught:
        load(tmp_path / "model.h5")
    assert "--trust" in caught.value.hint
    assert not written.exists()


def test_functions_of_tensorflow_that_compute_come_back(tmp_path: Path) -> None:
    tensorflow, keras = load_tensorflow(), load_tf_keras()
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    x = tensorflow.nn.relu6(x + 3.0) / 6.0 * x
    x = tensorflow.image.resize(x, (4, 4))
    x = tensorflow.concat([x, x[..., 1:3]], -1)
    x = tensorflow.cast(tensorflow.reshape(x, (-1, 96)), tensorflow.float32)
    x = x - keras.backend.mean(x, -1, keepdims=True) + tensorflow.reduce_max(x, -1, keepdims=True)
    x = tensorflow.clip_by_value(tensorflow.pad(x, [[0, 0], [1, 2]]), -1.0, 1.0)
    x = keras.activations.gelu(tensorflow.squeeze(tensorflow.expand_dims(x, 1), 1))
    x = tensorflow.where(x > 0.0, x, tensorflow.zeros_like(x))
    x = tensorflow.split(tensorflow.transpose(x, [0, 1]), 9, axis=1)[0] @ tensorflow.eye(11)
    model = keras.Model(image, tensorflow.nn.softmax(x))
    save_keras2(model, tmp_path / "model.h5")
    inputs = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    assert np.array_equal(load(tmp_path / "model.h5")(inputs), model(inputs))


def test_a_custom_layer_is_refused_by_name(tmp_path: Path) -> None:
    keras = load_tf_keras()

    class Mine(keras.layers.Layer):
        def call(self, inputs):
            return inputs

    image = keras.Input((4,))
    keras.Model(image, Mine(name="mine")(image)).save(tmp_path / "model.h5")
    with pytest.raises(UnsupportedModelError, match="Mine"):
        load(tmp_path / "model.h5")


@pytest.mark.parametrize(
    ("policy", "suffix"),
    [
        ("mixed_float16", ".h5"),
        ("mixed_float16", ".keras"),
        ("mixed_bfloat16", ".keras"),
        ("float64", ".h5"),
        ("bfloat16", ".h5"),
        ("bfloat16", ".keras"),
    ],
)
def test_other_precisions_become_float32(policy: str, suffix: str, tmp_path: Path) -> None:
    keras = load_tf_keras()
    keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy(policy)
    try:
        image = keras.Input((6, 6, 3), dtype="float32")
        inner = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()], name="inner")
        steps = keras.layers.TimeDistributed(keras.layers.Dense(3))(inner(image) * 2.0)
        model = keras.Model(image, keras.layers.Dense(2, activation="softmax", dtype="float32", name="last")(steps))
    finally:
        keras.mixed_precision.set_global_policy("float32")
    model.save(tmp_path / f"model{suffix}")
    loaded = load_noted(tmp_path / f"model{suffix}")
    assert {note.action for note in loaded.notes} == {"made float32"} and "last" not in str(loaded.notes)
    assert {tensor.dtype.name for tensor in (*loaded.model.weights, *loaded.model.outputs)} == {"float32"}
    for expected, found in zip(model.get_weights(), loaded.model.get_weights(), strict=True):
        assert np.array_equal(expected.astype("float32"), found)
    pixels = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype("float32")
    # Probabilities of logits of size one that were rounded to bfloat16, 2^-8, some four times
    np.testing.assert_allclose(loaded.model(pixels), model(pixels), rtol=0, atol=2.0**-6)


def test_nothing_is_said_of_a_plain_model(tmp_path: Path) -> None:
    save_keras2(small(), tmp_path / "model.h5")
    assert load_noted(tmp_path / "model.h5").notes == ()


def test_damaged_files_are_sentences(tmp_path: Path) -> None:
    """Every tenth byte position of a file is overwritten in turn with noise; nothing but our errors comes out."""
    save_keras2(small(), tmp_path / "good.h5")
    good = (tmp_path / "good.h5").read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        start = int(generator.integers(len(good)))
        length = int(generator.integers(1, 64))
        damaged = good[:start] + generator.bytes(length) + good[start + length :]
        (tmp_path / "damaged.h5").write_bytes(damaged)
        try:
            load(tmp_path / "damaged.h5")
        except EdgeCompressError:
            refused += 1
    assert refused > 10
    for length in (0, 3, 100, len(good) // 2):
        (tmp_path / "cut.h5").write_bytes(good[:length])
        with pytest.raises(ModelFileError):
            load(tmp_path / "cut.h5")


def test_a_real_model_that_nobody_here_wrote() -> None:
    path = SHARED / "mlperf_vww_mobilenetv1_025_96.h5"
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the checkout")
    model = load(path)
    assert model.input_shape == (None, 96, 96, 3) and model.output_shape == (None, 2)
