"""One optimizer step after the other, on whatever a method prepared."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from edgecompress.environment import keras_of, load_keras, load_tensorflow
from edgecompress.methods.protocol import Prepared
from edgecompress.training.adam import Adam
from edgecompress.training.cross_entropy import USUAL, CrossEntropy
from edgecompress.training.fused import fused_batch_norms, still_batch_norms


class Stepper:
    """Trains by Adam what is trainable in a prepared model and not frozen, each variable at its own rate.

    The loss is the method's `objective(labels, outputs)`, or `loss` where it has none, and what layers add:
    regularizers, priors.
    """

    def __init__(self, prepared: Prepared, loss: CrossEntropy = USUAL) -> None:
        self._prepared = prepared
        self._loss = loss
        self._keras = keras_of(prepared.model)
        self._frozen = set(map(id, prepared.frozen))
        trained = [each for each in prepared.model.trainable_variables if id(each) not in self._frozen]
        relative = {id(variable): rate for variable, rate in prepared.rates}
        self._adam = Adam(trained, [relative.get(id(each), 1.0) for each in trained])
        tensorflow = load_tensorflow()
        images = tensorflow.TensorSpec((None, *prepared.model.inputs[0].shape[1:]), prepared.model.inputs[0].dtype)
        labels, rate = tensorflow.TensorSpec((None,), tensorflow.int64), tensorflow.TensorSpec((), tensorflow.float32)
        self._step = tensorflow.function(partial(self._trained, self._fused), input_signature=(images, labels, rate))
        self._still_step = tensorflow.function(
            partial(self._trained, self._still), input_signature=(images, labels, rate)
        )
        self._score = tensorflow.function(self._scored, input_signature=(images, labels))

    @property
    def variables(self) -> list[Any]:
        """What changes in a training and is not known without it: of the model, and of the optimizer."""
        kept = [variable for variable in self._prepared.model.variables if id(variable) not in self._frozen]
        return kept + self._adam.variables

    def begin(self, done: int) -> None:
        """Say that the training goes on after so many steps."""
        for callback in self._prepared.callbacks:
            callback.begin(done)

    def step(self, inputs: np.ndarray, labels: np.ndarray, *, done: int, learning_rate: float) -> tuple[float, int]:
        """Take the step after `done` others; return its loss, and how many of the labels were the likeliest class."""
        for callback in self._prepared.callbacks:
            callback.before(done)
        still_from = self._prepared.still_from
        step = self._step if still_from is None or done < still_from else self._still_step
        loss, right = step(inputs, labels.astype(np.int64), np.float32(learning_rate))
        for callback in self._prepared.callbacks:
            callback.after(done + 1)
        return float(loss), int(right)

    def score(self, inputs: np.ndarray, labels: np.ndarray) -> int:
        """Return how many of the labels are the likeliest class at inference."""
        return int(self._score(inputs, labels.astype(np.int64)))

    def _trained(
        self, norms: Callable[[], AbstractContextManager[None]], inputs: Any, labels: Any, learning_rate: Any
    ) -> tuple[Any, Any]:
        tensorflow = load_tensorflow()
        model, objective = self._prepared.model, self._prepared.objective or partial(self._loss.of, keras=self._keras)
        with tensorflow.GradientTape() as tape, norms():
            outputs = model(inputs, training=True)
            loss = tensorflow.add_n([objective(labels, outputs), *model.losses])
        self._adam.apply(tape.gradient(loss, self._adam.trained), learning_rate=learning_rate)
        return loss, self._right(labels, outputs)

    def _fused(self) -> AbstractContextManager[None]:
        return fused_batch_norms(self._prepared.model) if self._keras is load_keras() else nullcontext()

    def _still(self) -> AbstractContextManager[None]:
        return still_batch_norms(self._prepared.model)

    def _scored(self, inputs: Any, labels: Any) -> Any:
        return self._right(labels, (self._prepared.scored or self._prepared.model)(inputs, training=False))

    def _right(self, labels: Any, outputs: Any) -> Any:
        tensorflow = load_tensorflow()
        scores = tensorflow.nest.flatten(outputs)[0]
        return tensorflow.reduce_sum(tensorflow.cast(tensorflow.argmax(scores, -1) == labels, tensorflow.int32))
