"""The callback that has kernels keep their zeros through the training of other layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.methods.protocol import StepCallback

tensorflow: Any = load_tensorflow()


class HeldZeros(StepCallback):
    """Undoes, after each step, what the optimizer did to the zeros of some kernels.

    They are the zeros that the kernels have when a training begins or is resumed, so that a checkpoint needs no more.
    """

    def __init__(self, kernels: Sequence[Any]) -> None:
        self._kernels = kernels
        self._apply: Any = None

    def begin(self, done: int) -> None:
        """Take up the zeros."""
        masks = [tensorflow.constant(np.asarray(kernel) != 0) for kernel in self._kernels]

        @tensorflow.function
        def apply() -> None:
            for kernel, mask in zip(self._kernels, masks, strict=True):
                kernel.assign(tensorflow.where(mask, kernel, tensorflow.zeros([], kernel.dtype)))

        self._apply = apply

    def after(self, done: int) -> None:
        """Put them back."""
        self._apply()
