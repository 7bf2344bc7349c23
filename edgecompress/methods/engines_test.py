"""Which engine does it, what is said of it, and that the native one leaves TF-MOT alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgecompress.environment import load_keras
from edgecompress.errors import MethodError
from edgecompress.methods.compress import compress
from edgecompress.methods.engines import by_engine, names_of_kernels
from edgecompress.methods.pruning import MagnitudePruning
from edgecompress.methods.sharing import WeightClustering

METHODS = pytest.mark.parametrize("method", [MagnitudePruning, WeightClustering])


@pytest.mark.parametrize(
    ("engine", "fails", "left", "expected"),
    [
        ("tf-mot", "", "", "TF-MOT"),
        ("tf-mot", "", "conv: no wrapper", "TF-MOT"),
        ("tf-mot", "no translation", "", "no translation"),
        ("native", "", "", "native: "),
        ("native", "no translation", "", "native: "),
        ("auto", "", "", "TF-MOT"),
        ("auto", "", "conv: no wrapper", "native: conv: no wrapper"),
        ("auto", "no translation", "", "native: no translation"),
    ],
)
def test_an_engine_is_taken(engine, fails, left, expected) -> None:
    def by_tfmot():
        if fails:
            raise MethodError(fails, hint="")
        return "TF-MOT"

    def prepared():
        return by_engine(
            engine, by_tfmot=by_tfmot, natively=lambda why: f"native: {why}", uncovered=lambda prepared: left
        )

    if expected == fails:
        with pytest.raises(MethodError, match=fails):
            prepared()
    else:
        assert prepared() == expected


@METHODS
def test_tfmot_alone_refuses_what_it_cannot_take_by_name(method, untranslatable_model, trainer) -> None:
    with pytest.raises(MethodError, match=rf"{method.name} is done by TF-MOT.*operation 'tile.*' \(Tile\)"):
        compress(untranslatable_model, method(engine="tf-mot"), trainer)


@METHODS
def test_tfmot_leaves_a_layer_that_is_called_twice_and_auto_takes_it(method, trainer) -> None:
    keras = load_keras()
    image = keras.Input((8, 8, 4))
    twice = keras.layers.Conv2D(4, 3, padding="same", name="twice")
    x = keras.layers.Flatten()(keras.layers.DepthwiseConv2D(3, name="depthwise")(twice(twice(image))))
    model = keras.Model(image, keras.layers.Dense(4, activation="softmax", name="scores")(x))
    notes = {note.layer: note for note in compress(model, method(engine="tf-mot"), trainer).notes}
    assert notes["twice"].action == "skipped" and "more than once" in notes["twice"].reason
    notes = {note.layer: note for note in compress(model, method(), trainer).notes}
    assert notes["twice"].reason == "natively: twice: TF-MOT wraps no layer that is called more than once"
    assert notes["depthwise"].action == "skipped"


def test_tfmot_does_what_it_covers_and_depthwise_kernels_are_no_reason(awkward_model, trainer) -> None:
    notes = {note.layer: note for note in compress(awkward_model, MagnitudePruning(), trainer).notes}
    assert all(not note.reason for note in notes.values() if note.action != "skipped")
    assert "TF-MOT" in notes["separable_depthwise"].reason


def test_depthwise_kernels_are_treated_on_request_alone() -> None:
    layers = load_keras().layers
    depthwise, separable = layers.DepthwiseConv1D(3), layers.SeparableConv1D(2, 3)
    for layer in (depthwise, separable):
        layer.build((None, 8, 4))
    assert names_of_kernels(depthwise, "auto") == () and names_of_kernels(depthwise, "native") == ("kernel",)
    assert names_of_kernels(separable, "auto") == ("pointwise_kernel",)
    assert names_of_kernels(separable, "native") == ("depthwise_kernel", "pointwise_kernel")


NATIVE = """
import sys
import numpy as np
from edgecompress.environment import load_keras
from edgecompress.methods import MagnitudePruning, WeightClustering, chain
from edgecompress.methods.compress import compress
from edgecompress.training.stepper import Stepper

keras = load_keras()
image = keras.Input((4, 4, 2))
model = keras.Model(image, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(image)))

class Trainer:
    def optimizer_steps(self, stage):
        return 2

    def samples(self, count):
        return (np.ones((count, 4, 4, 2), np.float32),)

    def train(self, index, stage, prepared):
        stepper = Stepper(prepared)
        stepper.begin(0)
        for done in range(2):
            stepper.step(self.samples(4), np.zeros(4, int), done=done, learning_rate=1e-3)

compress(model, chain(MagnitudePruning(engine="native"), WeightClustering(engine="native")), Trainer())
assert "tensorflow_model_optimization" not in sys.modules
"""


def test_the_native_engine_leaves_tfmot_unimported() -> None:
    subprocess.run([sys.executable, "-c", NATIVE], check=True, timeout=120)
