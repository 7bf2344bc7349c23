"""Weights that are put onto the means of a mixture prior while a training ends."""

from __future__ import annotations

from edgecompress.layers.mixture_prior import MixturePrior
from edgecompress.methods.protocol import StepCallback


class Settling(StepCallback):
    """Puts more and more weights of a `prior` onto its means in the last steps of a training.

    From step `first` to step `last`, t going from 0 to 1, it takes the share `1 - (1 - t)^3` of them that is nearest.
    The others, biases and means adapt meanwhile; in the end every weight is a mean.
    """

    def __init__(self, prior: MixturePrior, *, first: int, last: int) -> None:
        self._prior = prior
        self._first, self._last = first, last

    def after(self, done: int) -> None:
        """Settle weights, if it is time."""
        progress = (done - self._first) / max(1, self._last - self._first)
        if progress > 0:
            self._prior.settle(1 - (1 - min(progress, 1.0)) ** 3)
