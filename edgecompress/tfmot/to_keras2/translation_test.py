"""Networks that Keras 3 built and saved, in a process of its own, compute the same in Keras 2."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgecompress.environment import load_keras
from edgecompress.errors import UnsupportedModelError
from edgecompress.loading import load_noted
from edgecompress.tfmot.to_keras2.translation import translate

KERAS_3 = """
import sys
import numpy as np
import keras
from keras import layers, ops
keras.utils.set_random_seed(0)
image = keras.Input((16, 16, 3), name="image")
x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(image)
x = layers.BatchNormalization()(x)
x = layers.ReLU(6.0)(x)
x = layers.DepthwiseConv2D(3, activation="hard_silu")(x)
x = layers.SeparableConv2D(8, 3, activation="silu")(x)
inner = keras.Sequential([keras.Input((4, 4, 8)), layers.Conv2D(8, 1, activation="relu"), layers.LeakyReLU(0.3)])
y = inner(x)
x = layers.Add()([x, y])
x = x * ops.relu6(x + 3.0) / 6.0
x = layers.Concatenate()([layers.UpSampling2D()(x), layers.Conv2DTranspose(4, 2, strides=2)(y)])
x = layers.Activation("hard_sigmoid")(x)
x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
model = keras.Model(image, layers.Dense(4, activation="softmax", name="scores")(x))
for layer in model.layers:
    if isinstance(layer, layers.BatchNormalization):
        layer.set_weights([np.linspace(low, high, 8) for low, high in ((0.5, 1.5), (-1, 1), (-1, 1), (0.5, 2))])
folder = sys.argv[1]
model.save(folder + "/model.keras")
plain = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(4, 3, activation="relu"), layers.Flatten()])
plain.save(folder + "/plain.h5")  # Keras 3 itself cannot read operations back from this format
inputs = np.random.default_rng(0).normal(size=(4, 16, 16, 3)).astype("float32")
scores = {"model": model.predict(inputs, verbose=0), "plain": plain.predict(inputs, verbose=0)}
np.savez(folder + "/expected.npz", inputs=inputs, **scores)
keras.Model(image, layers.RandomRotation(0.1, name="spin")(image)).save(folder + "/spin.keras")
keras.Model(image, ops.reshape(image, (-1, 256, 3))).save(folder + "/reshape.keras")
keras.Model(image, ops.erf(image)).save(folder + "/erf.keras")
bent, twice = layers.Dense(2, activation="leaky_relu", name="bent")(image), layers.Dense(3, "leaky_relu", name="twice")
named = [bent, -bent, ops.subtract(1.0, bent), layers.Activation("hard_silu", name="last")(bent), twice(twice(image))]
keras.Model(image, named).save(folder + "/named.keras")
"""


def translated(path: Path):
    """Return the translation of what a file of Keras 3 holds, and notes."""
    return translate(load_noted(path).model)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("keras3")
    subprocess.run([sys.executable, "-c", KERAS_3, str(path)], check=True, capture_output=True)
    return path


def test_what_has_no_name_of_its_own_is_called_after_what_it_translates(folder: Path) -> None:
    names = ["bent/activation", "negative", "subtract", "last/activation", "twice/activation_2"]
    assert translated(folder / "named.keras")[0].output_names == names


@pytest.mark.parametrize("name", ["model.keras", "plain.h5"])
def test_the_translation_computes_the_same(name: str, folder: Path) -> None:
    model, _ = translated(folder / name)
    assert type(model).__module__.startswith("tf_keras")
    saved = np.load(folder / "expected.npz")
    # Probabilities from float32 sums of some hundred terms in possibly another order: 2^-24 a term.
    np.testing.assert_allclose(model.predict(saved["inputs"], verbose=0), saved[name.split(".")[0]], rtol=0, atol=1e-5)


def test_what_keras_2_lacks_is_named(folder: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"operation 'erf' \(Erf\)"):
        translated(folder / "erf.keras")


def test_augmentation_is_left_out_and_said_so(folder: Path) -> None:
    model, notes = translated(folder / "spin.keras")
    assert [(note.layer, note.action) for note in notes] == [("spin", "left out")]
    image = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype("float32")
    assert np.array_equal(model(image), image)


def test_an_operation_is_not_taken_for_the_layer_of_its_name(folder: Path) -> None:
    """`keras.ops.reshape` has a `newshape`, the layer Reshape a `target_shape`; both are called Reshape in a file."""
    model, _ = translated(folder / "reshape.keras")
    assert model.output_shape == (None, 256, 3)


def test_an_operation_whose_form_in_keras_2_has_no_known_axes_is_named() -> None:
    keras = load_keras()
    image = keras.Input((8, 1, 4))
    with pytest.raises(UnsupportedModelError, match=r"operation 'squeeze.*' \(Squeeze\)"):
        translate(keras.Model(image, keras.ops.squeeze(image)))
