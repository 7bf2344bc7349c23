"""The callback of pruning by a schedule: it zeroes the smallest weights, and chooses anew which those are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.methods.protocol import StepCallback
from edgecompress.numerics.sparsity import SparsitySchedule

tensorflow: Any = load_tensorflow()


@dataclass(frozen=True)
class ScheduledKernel:
    """A kernel variable, and which of its weights may be other than zero: a mask in its shape."""

    variable: Any
    allowed: np.ndarray


class ScheduledMasks(StepCallback):
    """Keep what is masked at zero, and choose the masks anew when a schedule says so.

    The choice for step t is made from the weights as the optimizer leaves them in step t - 1, masked ones among them:
    those have gradients, and one grows again whose last step takes it past others. This is TF-MOT's order; it makes
    the choice as step t begins, though, so that what is between two steps is not sparse there.

    The weights that are zero as a step begins are the masked ones, and the number of steps taken says whether a mask
    was chosen before. So a checkpoint needs nothing but what every one has. A weight that happens to be zero is
    therefore masked until the next choice.
    """

    def __init__(
        self,
        kernels: Sequence[ScheduledKernel],
        survivors: Callable[[np.ndarray, float], np.ndarray],
        schedule: SparsitySchedule,
    ) -> None:
        """`survivors(kernel, sparsity)` is the mask of what stays of an array."""
        self._kernels = kernels
        self._survivors = survivors
        self._schedule = schedule
        self._masks = [tensorflow.Variable(kernel.allowed) for kernel in kernels]
        self._remember = tensorflow.function(self._remember_zeros)
        self._apply = tensorflow.function(self._zero_masked)

    def begin(self, done: int) -> None:
        """Choose the masks of the first step; those of others were chosen as the step before them ended."""
        if done == 0:
            self.after(0)

    def before(self, done: int) -> None:
        """Take up the masks."""
        if self._schedule.begun(done + 1):
            self._remember()

    def after(self, done: int) -> None:
        """Zero what the optimizer moved away from zero, or choose what is zero in the next step."""
        step = done + 1
        if self._schedule.due(step):
            for kernel, mask in zip(self._kernels, self._masks, strict=True):
                values = np.where(kernel.allowed, kernel.variable.numpy(), 0)
                mask.assign(self._survivors(values, self._schedule.sparsity(step)))
        self._apply()

    def _remember_zeros(self) -> None:
        for kernel, mask in zip(self._kernels, self._masks, strict=True):
            mask.assign(tensorflow.not_equal(kernel.variable, 0))

    def _zero_masked(self) -> None:
        for kernel, mask in zip(self._kernels, self._masks, strict=True):
            variable = kernel.variable
            variable.assign(tensorflow.where(mask, variable, tensorflow.zeros([], variable.dtype)))
