"""What a classifier's training minimizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.keras_types import Tensor


@dataclass(frozen=True)
class CrossEntropy:
    """`mean of -w_y log p_y` over a batch; p are the outputs, or their softmax where these are logits.

    The weights w of the classes are 1 where none are given.
    """

    logits: bool = False
    class_weights: tuple[float, ...] = ()

    def of(self, labels: Tensor, outputs: Tensor, *, keras: Any) -> Tensor:
        """Return it, by the Keras that the outputs come from."""
        tensorflow = load_tensorflow()
        losses = keras.losses.sparse_categorical_crossentropy(labels, outputs, from_logits=self.logits)
        if self.class_weights:
            losses *= tensorflow.gather(tensorflow.constant(self.class_weights, tensorflow.float32), labels)
        return tensorflow.reduce_mean(losses)


USUAL = CrossEntropy()


def balanced(labels: Sequence[int] | np.ndarray, classes: int) -> tuple[float, ...]:
    """Return `w_c = N / (K n_c)`, so that all classes count as much; N samples, of which n_c are of class c of K."""
    counts = np.bincount(labels, minlength=classes)
    return tuple(float(len(labels) / (classes * count)) for count in np.maximum(counts, 1))
