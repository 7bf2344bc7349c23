"""Kernels that codebooks decode to, without any training, and what may follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from edgecompress.environment import load_keras
from edgecompress.errors import MethodError
from edgecompress.methods.composition import chain, only
from edgecompress.methods.compress import compress
from edgecompress.methods.pruning import MagnitudePruning
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.methods.sharing import KMeansSharing, ProductQuantization, QuantizedCNN, ResidualQuantization
from edgecompress.numerics.generated.vector_codebook import product_quantization

STEPS = [
    ProductQuantization(words=3, length=2),
    ResidualQuantization(words=2, stages=1),
    QuantizedCNN(words=3, length=2, images=40),
]


@dataclass
class Untouched:
    """A trainer that must not be asked to train."""

    inputs: np.ndarray

    def optimizer_steps(self, stage) -> int:
        return 16

    def train(self, index: int, stage, prepared) -> None:
        raise AssertionError("a one-shot method has nothing to train")

    def samples(self, count: int) -> tuple[np.ndarray, ...]:
        return (self.inputs[:count],)


def matrix_of(model, name: str) -> np.ndarray:
    kernel = model.get_layer(name).get_weights()[0]
    return kernel.reshape(-1, kernel.shape[-1])


@pytest.mark.parametrize("step", STEPS)
def test_kernels_are_what_their_codebooks_decode_to(step, plain_model, inputs) -> None:
    outcome = compress(plain_model, step, Untouched(inputs))
    assert sorted(outcome.generators) == ["conv", "scores"]
    for name, generator in outcome.generators.items():
        np.testing.assert_array_equal(generator.decode().T, matrix_of(outcome.model, name))
        assert not np.array_equal(matrix_of(plain_model, name), matrix_of(outcome.model, name))
    for name in ("conv", "scores"):
        np.testing.assert_array_equal(plain_model.get_layer(name).bias, outcome.model.get_layer(name).bias)


def test_product_quantization_cuts_along_the_inputs(plain_model, inputs) -> None:
    outcome = compress(plain_model, ProductQuantization(words=3, length=4), Untouched(inputs))
    expected = product_quantization(matrix_of(plain_model, "conv").T, spaces=9, words=3, seed=0)
    np.testing.assert_array_equal(outcome.generators["conv"].codebooks, expected.codebooks)
    note = outcome.notes[0]
    # 9 codebooks of 3 words of 4 floats, 9 x 8 indices of 2 bits, for 288 weights.
    assert note.figures["bits_per_weight"] == round((9 * 3 * 4 * 32 + 9 * 8 * 2) / 288, 3)


def test_correction_keeps_outputs_better(plain_model, inputs) -> None:
    layers = plain_model.layers
    wanted = plain_model.predict(inputs, verbose=0)
    errors = [
        np.square(compress(plain_model, step, Untouched(inputs)).model.predict(inputs, verbose=0) - wanted).sum()
        for step in (ProductQuantization(words=3, length=2), QuantizedCNN(words=3, length=2, images=64))
    ]
    assert errors[1] < errors[0] and plain_model.layers == layers


def test_the_rows_of_a_convolution_are_what_its_kernel_multiplies(inputs) -> None:
    keras = load_keras()
    image = keras.Input((8, 8, 4))
    x = keras.layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False, name="conv")(image)
    model = keras.Model(image, x)
    rows = QuantizedCNN(images=1)._rows(model, "conv", inputs[:1])
    expected = model.predict(inputs[:1], verbose=0).reshape(-1, 5)
    order = np.random.default_rng(0).permutation(len(expected))
    # 36 products of numbers below 5, summed in another order.
    np.testing.assert_allclose(rows @ matrix_of(model, "conv"), expected[order], atol=36 * 25 * 2.0**-24)


@pytest.mark.parametrize("step", STEPS)
def test_a_layer_that_does_not_fit_is_left_with_the_reason(step, awkward_model, inputs) -> None:
    outcome = compress(awkward_model, step, Untouched(inputs))
    reasons = {note.layer: note.reason for note in outcome.notes if note.action == "skipped"}
    assert reasons["separable_depthwise"] == "the kernel of this DepthwiseConv2D is no matrix of inputs and outputs"


def test_sizes_that_do_not_fit(plain_model, inputs) -> None:
    outcome = compress(plain_model, ProductQuantization(words=3, length=8), Untouched(inputs))
    assert outcome.notes[0].reason == "36 inputs are not a multiple of 8"
    outcome = compress(plain_model, ResidualQuantization(words=3, stages=2), Untouched(inputs))
    assert outcome.notes[1].reason == "4 outputs are no more than 6 words"
    with pytest.raises(MethodError, match="Nothing in 'plain' can be vector-quantized"):
        compress(plain_model, ProductQuantization(words=8), Untouched(inputs))


AFTER = [QuantizationAwareTraining(), MagnitudePruning(), KMeansSharing(4, 4), ResidualQuantization(words=2, stages=1)]


@pytest.mark.parametrize("after", AFTER)
def test_nothing_that_changes_the_same_kernel_may_follow(after, plain_model, inputs) -> None:
    with pytest.raises(MethodError, match="after a method that made words of codebooks in 'conv', which it would undo"):
        compress(plain_model, chain(ProductQuantization(words=3), after), Untouched(inputs))


def test_two_of_them_may_share_the_layers_of_a_network(plain_model, inputs) -> None:
    first = only(ProductQuantization(words=3), layers="scores")
    second = only(ResidualQuantization(words=5, stages=1), layers="conv")
    outcome = compress(plain_model, chain(first, second), Untouched(inputs))
    assert {name: book.codebooks.shape[2] for name, book in outcome.generators.items()} == {"conv": 5, "scores": 3}


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        (ProductQuantization, {"words": 0}),
        (ProductQuantization, {"length": 0}),
        (ResidualQuantization, {"stages": 0}),
        (QuantizedCNN, {"images": 0}),
        (QuantizedCNN, {"seed": -1}),
    ],
)
def test_figures_out_of_range_are_refused(kind, option) -> None:
    with pytest.raises(MethodError, match=" ".join(map(str, *option.items()))):
        kind(**option)
