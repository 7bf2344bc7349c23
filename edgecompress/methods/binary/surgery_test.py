"""Which layers become binary, and what stands around them afterwards, in networks of several kinds."""

from __future__ import annotations

import numpy as np
import pytest

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.graph import copy_model, inbound_layers
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_bridge.splitting.separable import split_separable
from edgecompress.methods.binary import METHODS, BinaryConnect
from edgecompress.methods.binary.scheme import Scheme, is_binary
from edgecompress.methods.binary.surgery import binarize
from edgecompress.methods.binary.surroundings import ACTIVATIONS, PASSIVE
from edgecompress.zoo import find

WEIGHTS = Scheme(binary_inputs=False, scaled=True)
BITS = Scheme(binary_inputs=True, scaled=False)


def everything(name: str) -> bool:
    return True


def kind(layer) -> str:
    return type(layer).__name__


def before_sign(layer) -> list[str]:
    """The kinds of the layers before a sign, up to the first that is not seen through."""
    source = inbound_layers(layer)[0]  # of a concatenation, all are alike
    if kind(source) in PASSIVE or kind(source) in ACTIVATIONS:
        return [kind(source), *before_sign(source)]
    return [kind(source)]


def residual():
    keras = load_keras()
    layers = keras.layers
    image = keras.Input((16, 16, 3))
    x = layers.BatchNormalization(name="bn0")(layers.Conv2D(8, 3, padding="same", name="conv0")(image))
    y = layers.BatchNormalization(name="bn1")(layers.Conv2D(8, 3, padding="same", name="conv1")(x))
    y = layers.ReLU(name="relu1")(y)
    y = layers.BatchNormalization(name="bn2")(layers.Conv2D(8, 3, padding="same", name="conv2")(y))
    x = layers.ReLU(name="relu2")(layers.Add(name="add")([x, y]))
    x = layers.BatchNormalization(name="bn3")(layers.Conv2D(16, 3, name="conv3")(x))
    x = layers.MaxPooling2D(name="pool")(layers.ReLU(name="relu3")(x))
    x = layers.ZeroPadding2D(name="same")(x)
    x = layers.BatchNormalization(name="bn4")(layers.Conv2D(16, 3, name="conv4")(x))
    x = layers.ZeroPadding2D(2, name="wide")(x)
    x = layers.Conv2D(16, 3, groups=2, activation="relu", name="grouped")(x)
    x = layers.Dense(32, activation="relu", name="hidden")(layers.Flatten(name="flat")(x))
    return keras.Model(image, layers.Dense(10, name="scores")(x), name="residual")


def mobilenet():
    return find("mobilenet_v1").build(resolution=32, channels=1, classes=10, width=0.25, stem_stride=1)


NETWORKS = {
    "mobilenet": mobilenet,
    "squeezenet": lambda: find("squeezenet").build(resolution=64, channels=1, classes=10),
    "lenet_5": lambda: find("lenet_5").build(resolution=28, channels=1, classes=10),
    "lenet_300_100": lambda: find("lenet_300_100").build(resolution=28, channels=1, classes=10),
    "residual": residual,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_inputs_of_a_sign_are_normalized_and_not_rectified(name: str) -> None:
    model, _ = binarize(NETWORKS[name](), BITS, chosen=everything)
    found = [before_sign(layer) for layer in model.layers if is_binary(layer)]
    assert found
    for *between, last in found:
        assert last == "BatchNormalization" or (name == "residual" and last == "Add")
        assert not set(ACTIVATIONS).intersection(between)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("scheme", [WEIGHTS, BITS])
def test_all_but_the_first_and_the_last_become_binary(name: str, scheme: Scheme) -> None:
    given = NETWORKS[name]()
    model, notes = binarize(given, scheme, chosen=everything)
    with_kernels = [layer.name for layer in given.layers if kernels(layer)]
    actions = {note.layer: note for note in notes if note.layer in with_kernels}
    assert list(actions) == with_kernels
    for layer in given.layers:
        if not kernels(layer):
            continue
        float_kind = scheme.binary_inputs and kind(layer) == "DepthwiseConv2D"
        stays = layer.name in (with_kernels[0], with_kernels[-1]) or float_kind or layer.name == "grouped"
        note = actions[layer.name]
        assert is_binary(model.get_layer(layer.name)) == (not stays)
        assert note.action == ("kept float" if stays else "binarized")
        assert note.reason if stays else note.figures["alpha"] == scheme.scaled


def test_a_residual_network_is_put_in_order() -> None:
    model, notes = binarize(residual(), BITS, chosen=everything)
    sources = {layer.name: [source.name for source in inbound_layers(layer)] for layer in model.layers}
    told = {note.layer: (note.action, note.reason) for note in notes}
    assert sources["conv1"] == ["bn0"] and sources["conv2"] == ["bn1"]
    assert sources["conv3"] == ["add"]  # a sum of normalized maps
    assert (sources["pool"], sources["bn3"], sources["conv4"]) == (["conv3"], ["pool"], ["bn3"])
    assert model.get_layer("conv4").padding == "same" and model.get_layer("conv4").pad_values == 1
    assert told["same"] == ("removed", "'conv4' pads by ones instead") and told["bn3"] == ("moved", "behind 'pool'")
    assert told["relu2"] == ("removed", "only signs are taken of it")
    assert told["grouped"][0] == "kept float" and "2 groups" in told["grouped"][1]
    assert kind(model.get_layer("wide")) == "ZeroPadding2D"  # what reads it is not binary
    assert sources["hidden"] == ["flat"] and sources["flat"] == ["flat_input_bn"]  # of channels, not of positions
    assert model.get_layer("hidden").activation is load_keras().activations.linear
    assert sources["scores"] == ["hidden_activation"] and sources["hidden_activation"] == ["hidden_output_bn"]


def test_zeros_that_cannot_be_the_layers_own_padding_become_ones() -> None:
    keras = load_keras()
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.ReLU()(layers.Conv2D(4, 3, padding="same", name="first")(image))
    x = layers.ZeroPadding2D(name="pad")(x)
    x = layers.Conv2D(4, 3, strides=2, name="strided")(x)  # "same" would add one row behind and none before
    model = keras.Model(image, layers.Conv2D(2, 3, name="last")(x))
    binary, notes = binarize(model, BITS, chosen=everything)
    reasons = {note.layer: note.reason for note in notes}
    assert "the zeros of 'pad' become +1" in reasons["strided"]
    assert [layer.name for layer in inbound_layers(binary.get_layer("pad"))] == ["pad_input_bn"]
    images = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
    normalized = keras.Model(binary.input, binary.get_layer("pad_input_bn").output)(images)
    padded = np.pad(np.where(np.asarray(normalized) >= 0, 1, -1), [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))[:, ::2, ::2]
    strided = binary.get_layer("strided")
    sums = np.einsum("nyxchw,hwco->nyxo", windows, np.asarray(strided.binary_kernel))
    found = keras.Model(binary.input, strided.output)(images)
    np.testing.assert_array_equal(found, sums + strided.bias.numpy())


def test_an_activation_that_others_read_stays() -> None:
    keras = load_keras()
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(image)
    y = layers.Conv2D(4, 3, padding="same", activation="relu", name="second")(x)
    x = layers.Add(name="add")([x, y])
    model = keras.Model(image, layers.Conv2D(2, 1, name="last")(x))
    binary, _ = binarize(model, BITS, chosen=everything)
    assert binary.get_layer("first").activation is keras.activations.relu
    assert [layer.name for layer in inbound_layers(binary.get_layer("second"))] == ["second_input_bn"]
    scaled, _ = binarize(model, Scheme(binary_inputs=True, scaled=True), chosen=everything)
    assert scaled.get_layer("second").activation is keras.activations.relu


def test_a_layer_that_is_called_twice_stays_float() -> None:
    keras = load_keras()
    layers = keras.layers
    image = keras.Input((8, 8, 4))
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    x = shared(shared(layers.Conv2D(4, 1, name="first")(image)))
    model = keras.Model(image, layers.Conv2D(2, 1, name="last")(layers.Conv2D(4, 1, name="one")(x)))
    binary, notes = binarize(model, WEIGHTS, chosen=everything)
    assert {note.layer: note.reason for note in notes}["shared"] == "it is called more than once"
    assert is_binary(binary.get_layer("one"))


@pytest.mark.parametrize("method", METHODS)
def test_the_given_model_stays_as_it_was(method, awkward_model) -> None:
    given = split_separable(copy_model(awkward_model))
    before = given.get_config(), given.get_weights()
    made, _ = binarize(given, method().scheme(), chosen=everything)
    made.compile("sgd", "sparse_categorical_crossentropy")
    made.fit(np.ones((8, 8, 8, 4), np.float32), np.zeros(8), verbose=0)
    assert given.get_config() == before[0]
    for old, new in zip(before[1], given.get_weights(), strict=True):
        assert old.tobytes() == new.tobytes()


def test_the_awkward_network(awkward_model) -> None:
    given = split_separable(copy_model(awkward_model))
    weights, _ = binarize(given, WEIGHTS, chosen=everything)
    bits, notes = binarize(given, BITS, chosen=everything)
    inner = next(layer.name for layer in given.layers if layer.name.endswith("_stem"))
    assert {layer.name for layer in bits.layers if is_binary(layer)} == {"separable_pointwise", inner, "branch"}
    assert {layer.name for layer in weights.layers if is_binary(layer)} == {
        "separable_depthwise", "separable_pointwise", inner, "branch",
    }  # fmt: skip
    assert "one channel" in {note.layer: note.reason for note in notes}["separable_depthwise"]


def test_latent_weights_start_from_the_float_ones_and_the_batch_norm_takes_up_the_scale() -> None:
    """A float kernel of +-c is what its signs are up to scale, so that the network computes the same as before."""
    keras = load_keras()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="first")(image)
    x = layers.Conv2D(5, 3, bias_initializer="random_normal", name="conv")(x)
    x = layers.BatchNormalization(epsilon=0.0, moving_variance_initializer=keras.initializers.Constant(0.5))(x)
    model = keras.Model(image, layers.Conv2D(2, 1, name="last")(x))
    conv = model.get_layer("conv")
    signs = np.where(conv.kernel.numpy() >= 0, 1, -1)
    conv.kernel.assign(signs * np.array([0.1, 0.5, 1.0, 2.0, 8.0], np.float32))
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    for scheme in (WEIGHTS, BinaryConnect().scheme()):
        binary, _ = binarize(model, scheme, chosen=everything)
        latent = binary.get_layer("conv").kernel.numpy()
        np.testing.assert_array_equal(np.sign(latent), signs)
        assert np.abs(latent).max((0, 1, 2)).tolist() == pytest.approx([0.1, 0.5, 1, 1, 1])
        # Sums of 36 terms, a batch norm and sums of 5: under 64 roundings of 2^-24 of values below 16.
        np.testing.assert_allclose(binary(images), model(images), atol=64 * 16 * 2.0**-24)
