"""What a method prepares for its training is minded: objective, frozen weights, rates, the model that is scored."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.methods.protocol import Prepared, StepCallback
from edgecompress.training.stepper import Stepper

INPUTS = np.random.default_rng(0).normal(size=(8, 6)).astype(np.float32)
LABELS = np.arange(8) % 3


def network(**options: Any) -> Any:
    keras = load_keras()
    keras.utils.set_random_seed(0)
    image = keras.Input((6,))
    x = keras.layers.Dense(5, activation="tanh", name="hidden", **options)(image)
    return keras.Model(image, keras.layers.Dense(3, activation="softmax", name="scores")(x))


def step(prepared: Prepared, *, learning_rate: float = 0.125) -> Stepper:
    stepper = Stepper(prepared)
    stepper.begin(0)
    stepper.step((INPUTS,), LABELS, done=0, learning_rate=learning_rate)
    return stepper


def moves(model: Any, before: list[np.ndarray]) -> list[np.ndarray]:
    return [np.abs(now - then) for now, then in zip(model.get_weights(), before, strict=True)]


def test_rates_multiply_the_steps_of_adam() -> None:
    model = network()
    before = model.get_weights()
    step(Prepared(model, model, rates=((model.get_layer("scores").kernel, 0.25),)))
    kernel, bias, scores, scores_bias = moves(model, before)
    # Adam's first step is its rate times g / (|g| + 1e-7), the gradients being 1e-5 or more: within a hundredth.
    np.testing.assert_allclose(np.concatenate([kernel.ravel(), bias, scores_bias]), 0.125, rtol=1e-2)
    np.testing.assert_allclose(scores, 0.125 * 0.25, rtol=1e-2)


def test_what_is_frozen_is_neither_trained_nor_kept() -> None:
    model = network()
    before = model.get_weights()
    kernel = model.get_layer("hidden").kernel
    stepper = step(Prepared(model, model, frozen=(kernel,)))
    assert [bool(move.any()) for move in moves(model, before)] == [False, True, True, True]
    assert all(variable is not kernel for variable in stepper.variables)
    assert len(stepper.variables) == 3 + len(Stepper(Prepared(model, model)).variables) - 4 - 2  # two moments less


def test_the_objective_and_what_layers_add_is_minimized() -> None:
    tensorflow = load_tensorflow()
    model = network(kernel_regularizer=load_keras().regularizers.L2(0.5))
    kernel = model.get_layer("hidden").kernel.numpy()

    def objective(labels: Any, outputs: Any) -> Any:
        return tensorflow.reduce_sum(outputs) + tensorflow.cast(tensorflow.reduce_sum(labels), tensorflow.float32)

    stepper = Stepper(Prepared(model, model, objective=objective))
    losses = [stepper.step((INPUTS,), LABELS, done=done, learning_rate=0.0)[0] for done in range(2)]
    # Eight softmax outputs add up to 1 each, within a rounding of each of their 24 terms.
    expected = 8 + LABELS.sum() + 0.5 * float(np.square(kernel, dtype=np.float64).sum())
    np.testing.assert_allclose(losses, expected, rtol=64 * 2.0**-24)


def test_the_scored_model_scores_and_is_not_trained() -> None:
    model, scored = network(), network()
    scored.get_layer("scores").set_weights([np.zeros((5, 3)), np.array([0, 0, 1])])
    stepper = step(Prepared(model, model, scored=scored))
    assert stepper.score((INPUTS,), LABELS) == np.count_nonzero(LABELS == 2)
    np.testing.assert_array_equal(scored.get_layer("scores").bias, [0, 0, 1])


def test_callbacks_are_told_how_many_steps_are_done() -> None:
    told: list[tuple[str, int]] = []

    class Telling(StepCallback):
        def begin(self, done: int) -> None:
            told.append(("begin", done))

        def before(self, done: int) -> None:
            told.append(("before", done))

        def after(self, done: int) -> None:
            told.append(("after", done))

    model = network()
    stepper = Stepper(Prepared(model, model, (Telling(),)))
    stepper.begin(7)
    stepper.step((INPUTS,), LABELS, done=7, learning_rate=0.1)
    assert told == [("begin", 7), ("before", 7), ("after", 8)]


def test_batch_norms_are_still_from_a_step_on() -> None:
    keras = load_keras()
    keras.utils.set_random_seed(0)
    image = keras.Input((6,))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Dense(5, name="hidden")(image))
    model = keras.Model(image, keras.layers.Dense(3, activation="softmax", name="scores")(x))
    norm, stepper = model.get_layer("norm"), Stepper(Prepared(model, model, still_from=1))
    seen = []
    for done in range(3):
        at_inference = float(-np.log(np.asarray(model(INPUTS))[np.arange(8), LABELS]).mean())
        loss, _ = stepper.step((INPUTS,), LABELS, done=done, learning_rate=0.01)
        seen.append((loss, at_inference, np.asarray(norm.moving_mean), np.asarray(norm.gamma)))
    (first, then, mean, gamma), *others = seen
    assert first != then and mean.any()  # by the batch, which is followed
    for loss, at_inference, still, moved in others:
        assert (
            abs(loss - at_inference) < 1e-6 and still.tobytes() == mean.tobytes() and moved.tobytes() != gamma.tobytes()
        )
