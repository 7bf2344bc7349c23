"""The callback of pruning in rounds: it holds masks, which only ever lose connections, and applies them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.methods.protocol import StepCallback
from edgecompress.methods.pruning.connections import survivors
from edgecompress.methods.pruning.dropout import FollowingDropout

tensorflow: Any = load_tensorflow()

# Share of the training in which rounds begin. Learning rates fall to zero towards its end, and what the last and
# sparsest round removes takes the most steps to make up for.
REMOVING = 0.5


@dataclass(frozen=True)
class MaskedKernel:
    """A kernel variable, and how many of its smallest weights are to be zero in round 1, 2, ... of a training."""

    variable: Any
    removed: Callable[[np.ndarray, int], int]


class PruningRounds(StepCallback):
    """Cut a training into rounds that each begin by removing connections, for good; the last one is half of it.

    The zeros that the weights have when a training begins or is resumed are the masks; the number of steps taken says
    which rounds were begun before. So a checkpoint needs nothing but what every one has.
    """

    def __init__(
        self,
        kernels: Sequence[MaskedKernel],
        dropouts: Sequence[FollowingDropout],
        *,
        rounds: int,
        optimizer_steps: int,
    ) -> None:
        self._kernels = kernels
        self._dropouts = dropouts
        distance = REMOVING * optimizer_steps / max(1, rounds - 1)
        self._starts = [int(index * distance) for index in range(rounds)]
        self._begun = 0
        self._masks = [tensorflow.Variable(tensorflow.ones(kernel.variable.shape, bool)) for kernel in kernels]
        self._apply = tensorflow.function(self._zero_masked)

    def begin(self, done: int) -> None:
        """Take up the masks where they were."""
        # A checkpoint is written before the step that a round begins with, so that such a round is still to begin.
        self._begun = self._rounds_at(done - 1)
        self._remove(lambda kernel, values: 0)

    def before(self, done: int) -> None:
        """Begin the next round, if it is time."""
        if self._rounds_at(done) > self._begun:
            self._begun = self._rounds_at(done)
            self._remove(lambda kernel, values: kernel.removed(values, self._begun))

    def after(self, done: int) -> None:
        """Zero what the optimizer moved away from zero."""
        self._apply()

    def _rounds_at(self, step: int) -> int:
        return bisect_right(self._starts, step)

    def _remove(self, count: Callable[[MaskedKernel, np.ndarray], int]) -> None:
        for kernel, mask in zip(self._kernels, self._masks, strict=True):
            values = kernel.variable.numpy()
            mask.assign(survivors(values, count(kernel, values)))
        self._apply()
        for dropout in self._dropouts:
            dropout.rescale()

    def _zero_masked(self) -> None:
        for kernel, mask in zip(self._kernels, self._masks, strict=True):
            variable = kernel.variable
            variable.assign(tensorflow.where(mask, variable, tensorflow.zeros([], variable.dtype)))
