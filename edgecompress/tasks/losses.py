"""What a training minimizes, and how right its batches are, in TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.keras_types import Tensor
from edgecompress.tasks.task import ONE_CLASS, Kind, Task


@dataclass(frozen=True)
class Loss:
    """The mean loss of a batch, and how right its samples are.

    Samples whose class has a weight count so much in the loss. `variances` are those of each number to be met, which
    the distances to them are measured by.
    """

    task: Task = ONE_CLASS
    class_weights: tuple[float, ...] = ()
    variances: tuple[float, ...] = ()

    def of(self, labels: Tensor, outputs: Tensor, *, keras: Any) -> Tensor:
        """Return the loss, by the Keras that the outputs come from.

        - categorical_crossentropy: `-log p_y`, p being the outputs, or their softmax where these are logits;
        - squared_hinge: `mean_k max(0, 1 - t_k f_k)^2`, t being 1 for the class y and -1 for all others
          (Tang, Deep Learning using Linear Support Vector Machines, 2013; BinaryConnect's);
        - binary_crossentropy: `mean_k -y_k log p_k - (1 - y_k) log(1 - p_k)`;
        - mean_squared_error, mean_absolute_error, huber: the mean over k of the square of `y_k - f_k`, of its
          magnitude, or of half the square up to 1 and the magnitude minus a half beyond.
        """
        tensorflow = load_tensorflow()
        losses = self._by_sample(labels, outputs, keras)
        if self.class_weights:
            weights = tensorflow.constant(self.class_weights, tensorflow.float32)
            losses *= tensorflow.gather(weights, tensorflow.cast(labels, tensorflow.int64))
        return tensorflow.reduce_mean(losses)

    def right(self, labels: Tensor, outputs: Tensor) -> Tensor:
        """Return the sum over a batch of what `tasks.rightness` says of each sample."""
        tensorflow = load_tensorflow()
        task = self.task
        if task.kind is Kind.NUMBERS:
            variances = tensorflow.constant(self.variances, tensorflow.float32)
            distances = tensorflow.square(tensorflow.reshape(outputs - labels, (-1, len(self.variances)))) / variances
            varying = sum(map(math.isfinite, self.variances))
            return tensorflow.reduce_sum(1 - tensorflow.reduce_sum(distances, -1) / varying)
        if task.kind is Kind.CLASSES:
            flags = tensorflow.argmax(outputs, -1) == labels
        else:
            flags = (outputs > (0.0 if task.logits else 0.5)) == (labels > 0.5)
        shares = tensorflow.cast(flags, tensorflow.float32)
        return tensorflow.reduce_sum(tensorflow.reduce_mean(shares, tuple(range(1, len(shares.shape)))))

    def _by_sample(self, labels: Tensor, outputs: Tensor, keras: Any) -> Tensor:
        tensorflow = load_tensorflow()
        losses, logits = keras.losses, self.task.logits
        if self.task.loss == "categorical_crossentropy":
            return losses.sparse_categorical_crossentropy(labels, outputs, from_logits=logits)
        if self.task.loss == "binary_crossentropy":
            return losses.binary_crossentropy(labels, outputs, from_logits=logits)
        if self.task.loss == "squared_hinge":
            signs = 2 * tensorflow.one_hot(labels, outputs.shape[-1]) - 1
            return losses.squared_hinge(signs, outputs)
        return getattr(losses, self.task.loss)(labels, outputs)


USUAL = Loss()


def balanced(labels: Sequence[int] | np.ndarray, classes: int) -> tuple[float, ...]:
    """Return `w_c = N / (K n_c)`, so that all classes count as much; N samples, of which n_c are of class c of K."""
    counts = np.bincount(labels, minlength=classes)
    return tuple(float(len(labels) / (classes * count)) for count in np.maximum(counts, 1))


def spreads(labels: np.ndarray) -> tuple[float, ...]:
    """Return the variance of each number (N, ...) over the samples; infinite where none of them differ."""
    found = labels.reshape(len(labels), -1).astype(np.float64).var(axis=0)
    return tuple(float(each) if each else float("inf") for each in found)
