"""The callback that has kernels keep their zeros, or all their values, through the training of other layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgecompress.environment import load_tensorflow, load_tf_keras

tensorflow: Any = load_tensorflow()
keras: Any = load_tf_keras()


class HeldKernels(keras.callbacks.Callback):
    """Undoes, after each step, what the optimizer did to the zeros of some kernels and to the whole of others.

    What is held is what the kernels hold when a training begins or is resumed, so that a checkpoint needs no more.
    """

    def __init__(self, *, zeros: Sequence[Any], whole: Sequence[Any]) -> None:
        super().__init__()
        self._zeros, self._whole = zeros, whole
        self._apply: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Take up what is held."""
        masks = [tensorflow.constant(kernel.numpy() != 0) for kernel in self._zeros]
        values = [tensorflow.constant(kernel.numpy()) for kernel in self._whole]

        @tensorflow.function
        def apply() -> None:
            for kernel, mask in zip(self._zeros, masks, strict=True):
                kernel.assign(tensorflow.where(mask, kernel, tensorflow.zeros([], kernel.dtype)))
            for kernel, value in zip(self._whole, values, strict=True):
                kernel.assign(value)

        self._apply = apply

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Put back what was moved."""
        self._apply()
