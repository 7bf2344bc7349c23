"""One optimizer step after the other, on whatever a method prepared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np

from edgecompress.environment import keras_of, load_keras, load_tensorflow
from edgecompress.errors import TrainingError
from edgecompress.methods.protocol import Prepared, Samples
from edgecompress.tasks import Kind
from edgecompress.tasks.losses import USUAL, Loss
from edgecompress.training.adam import Adam
from edgecompress.training.fused import fused_batch_norms, still_batch_norms


class Stepper:
    """Trains by Adam what is trainable in a prepared model and not frozen, each variable at its own rate.

    The loss is the method's `objective(labels, outputs)`, or `loss` where it has none, and what layers add:
    regularizers, priors.
    """

    def __init__(self, prepared: Prepared, loss: Loss = USUAL) -> None:
        self._prepared = prepared
        self._loss = loss
        self._keras = keras_of(prepared.model)
        self._frozen = set(map(id, prepared.frozen))
        trained = [each for each in prepared.model.trainable_variables if id(each) not in self._frozen]
        relative = {id(variable): rate for variable, rate in prepared.rates}
        self._adam = Adam(trained, [relative.get(id(each), 1.0) for each in trained])
        tensorflow = load_tensorflow()
        inputs = [tensorflow.TensorSpec((None, *each.shape[1:]), each.dtype) for each in prepared.model.inputs]
        output = tensorflow.nest.flatten((prepared.scored or prepared.model).outputs)[0]
        classes = loss.task.kind is Kind.CLASSES
        self._label_shape = tuple(output.shape[1:-1] if classes else output.shape[1:])
        labels = tensorflow.TensorSpec((None, *self._label_shape), tensorflow.int64 if classes else tensorflow.float32)
        self._label_type = labels.dtype.as_numpy_dtype
        rate = tensorflow.TensorSpec((), tensorflow.float32)
        self._step = tensorflow.function(partial(self._trained, self._fused), input_signature=(inputs, labels, rate))
        self._still_step = tensorflow.function(
            partial(self._trained, self._still), input_signature=(inputs, labels, rate)
        )
        self._score = tensorflow.function(self._scored, input_signature=(inputs, labels))

    @property
    def variables(self) -> list[Any]:
        """What changes in a training and is not known without it: of the model, and of the optimizer."""
        kept = [variable for variable in self._prepared.model.variables if id(variable) not in self._frozen]
        return kept + self._adam.variables

    def begin(self, done: int) -> None:
        """Say that the training goes on after so many steps."""
        for callback in self._prepared.callbacks:
            callback.begin(done)

    def step(self, inputs: Samples, labels: np.ndarray, *, done: int, learning_rate: float) -> tuple[float, float]:
        """Take the step after `done` others; return its loss, and how right the batch was, a sum over its samples."""
        for callback in self._prepared.callbacks:
            callback.before(done)
        still_from = self._prepared.still_from
        step = self._step if still_from is None or done < still_from else self._still_step
        with _refusals():
            loss, right = step(list(inputs), self._fitted(labels), np.float32(learning_rate))
        for callback in self._prepared.callbacks:
            callback.after(done + 1)
        return float(loss), float(right)

    def score(self, inputs: Samples, labels: np.ndarray) -> float:
        """Return how right the batch is at inference, a sum over its samples."""
        with _refusals():
            return float(self._score(list(inputs), self._fitted(labels)))

    def _fitted(self, labels: np.ndarray) -> np.ndarray:
        return labels.astype(self._label_type).reshape(len(labels), *self._label_shape)

    def _trained(
        self, norms: Callable[[], AbstractContextManager[None]], inputs: Any, labels: Any, learning_rate: Any
    ) -> tuple[Any, Any]:
        tensorflow = load_tensorflow()
        model, objective = self._prepared.model, self._prepared.objective or partial(self._loss.of, keras=self._keras)
        with tensorflow.GradientTape() as tape, norms():
            outputs = model(_given(inputs), training=True)
            loss = tensorflow.add_n([objective(labels, outputs), *model.losses])
        self._adam.apply(tape.gradient(loss, self._adam.trained), learning_rate=learning_rate)
        return loss, self._loss.right(labels, load_tensorflow().nest.flatten(outputs)[0])

    def _fused(self) -> AbstractContextManager[None]:
        return fused_batch_norms(self._prepared.model) if self._keras is load_keras() else nullcontext()

    def _still(self) -> AbstractContextManager[None]:
        return still_batch_norms(self._prepared.model)

    def _scored(self, inputs: Any, labels: Any) -> Any:
        outputs = (self._prepared.scored or self._prepared.model)(_given(inputs), training=False)
        return self._loss.right(labels, load_tensorflow().nest.flatten(outputs)[0])


@contextmanager
def _refusals() -> Iterator[None]:
    """Say in a sentence what TensorFlow cannot compute of a batch, such as an index outside of its table."""
    try:
        yield
    except load_tensorflow().errors.InvalidArgumentError as error:
        said = next((line for line in error.message.splitlines() if " is not in [" in line), error.message)
        raise TrainingError(
            f"The model cannot compute these samples: {said.strip().rpartition('} ')[2]:.200}.",
            hint="Look for numbers in the data that the model was not made for.",
        ) from error


def _given(inputs: list[Any]) -> Any:
    """What a model is called with."""
    return inputs[0] if len(inputs) == 1 else inputs
