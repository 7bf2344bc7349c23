"""One optimizer step after the other, on whatever a method prepared."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from edgecompress.environment import keras_of, load_tensorflow
from edgecompress.methods.protocol import Prepared


class Stepper:
    """Trains by Adam what is trainable in a prepared model and not frozen, each variable at its own rate.

    The loss is `objective(labels, outputs)`, the mean cross-entropy of softmax outputs by default, and what layers add:
    regularizers, priors.
    """

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._keras = keras_of(prepared.model)
        relative = {id(variable): rate for variable, rate in prepared.rates}
        frozen = set(map(id, prepared.frozen))
        groups: dict[float, list[Any]] = defaultdict(list)
        for variable in prepared.model.trainable_variables:
            if id(variable) not in frozen:
                groups[relative.get(id(variable), 1.0)].append(variable)
        self._groups = {rate: (self._keras.optimizers.Adam(), variables) for rate, variables in groups.items()}
        for optimizer, variables in self._groups.values():
            optimizer.build(variables)
        tensorflow = load_tensorflow()
        images = tensorflow.TensorSpec((None, *prepared.model.inputs[0].shape[1:]), prepared.model.inputs[0].dtype)
        labels = tensorflow.TensorSpec((None,), tensorflow.int64)
        self._step = tensorflow.function(self._trained, input_signature=(images, labels))
        self._score = tensorflow.function(self._scored, input_signature=(images, labels))

    @property
    def variables(self) -> list[Any]:
        """What changes in a training and is not known without it: of the model, and of the optimizers."""
        frozen = set(map(id, self._prepared.frozen))
        kept = [variable for variable in self._prepared.model.variables if id(variable) not in frozen]
        return kept + [each for optimizer, _ in self._groups.values() for each in optimizer.variables]

    def begin(self, done: int) -> None:
        """Say that the training goes on after so many steps."""
        for callback in self._prepared.callbacks:
            callback.begin(done)

    def step(self, inputs: np.ndarray, labels: np.ndarray, *, done: int, learning_rate: float) -> tuple[float, int]:
        """Take the step after `done` others; return its loss, and how many of the labels were the likeliest class."""
        for relative, (optimizer, _) in self._groups.items():
            optimizer.learning_rate.assign(relative * learning_rate)
        for callback in self._prepared.callbacks:
            callback.before(done)
        loss, right = self._step(inputs, labels.astype(np.int64))
        for callback in self._prepared.callbacks:
            callback.after(done + 1)
        return float(loss), int(right)

    def score(self, inputs: np.ndarray, labels: np.ndarray) -> int:
        """Return how many of the labels are the likeliest class at inference."""
        return int(self._score(inputs, labels.astype(np.int64)))

    def _trained(self, inputs: Any, labels: Any) -> tuple[Any, Any]:
        tensorflow = load_tensorflow()
        model, objective = self._prepared.model, self._prepared.objective or self._cross_entropy
        with tensorflow.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = tensorflow.add_n([objective(labels, outputs), *model.losses])
        gradients = tape.gradient(loss, [variables for _, variables in self._groups.values()])
        for (optimizer, variables), of_group in zip(self._groups.values(), gradients, strict=True):
            optimizer.apply_gradients(zip(of_group, variables, strict=True))
        return loss, self._right(labels, outputs)

    def _scored(self, inputs: Any, labels: Any) -> Any:
        return self._right(labels, (self._prepared.scored or self._prepared.model)(inputs, training=False))

    def _right(self, labels: Any, outputs: Any) -> Any:
        tensorflow = load_tensorflow()
        scores = tensorflow.nest.flatten(outputs)[0]
        return tensorflow.reduce_sum(tensorflow.cast(tensorflow.argmax(scores, -1) == labels, tensorflow.int32))

    def _cross_entropy(self, labels: Any, outputs: Any) -> Any:
        return load_tensorflow().reduce_mean(self._keras.losses.sparse_categorical_crossentropy(labels, outputs))
