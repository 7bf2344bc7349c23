"""How sparse a kernel is to be at each step of its training, and at which steps its mask is chosen anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

UPDATES = 20  # how often the mask is chosen anew while the sparsity rises
RISING = 0.7  # share of the training in which it rises; the rest lets the survivors settle


@dataclass(frozen=True)
class SparsitySchedule:
    """`s(t) = s_f + (s_0 - s_f) (1 - t / T)^3` at step t = 1, 2, ..., or `s_f` throughout.

    The mask is chosen anew at each multiple of the interval up to T, which is one, so that the last choice reaches the
    final sparsity exactly. Zhu and Gupta, To prune, or not to prune, arXiv:1710.01878.
    """

    initial: float | None  # s_0; None: constant
    final: float  # s_f
    interval: int  # steps
    last: int  # T

    @classmethod
    def over(cls, optimizer_steps: int, *, kind: str, initial: float, final: float) -> Self:
        """Return the "polynomial" or "constant" schedule of a training of so many steps."""
        interval = max(1, int(optimizer_steps * RISING) // UPDATES)
        if kind == "constant":
            return cls(None, final, interval, optimizer_steps)
        return cls(initial, final, interval, min(interval * UPDATES, max(1, optimizer_steps - 1)))

    @classmethod
    def once(cls, final: float) -> Self:
        """Return the schedule of a mask that is chosen at the first step, and stays."""
        return cls(None, final, 1, 1)

    def due(self, step: int) -> bool:
        """Return whether the mask is chosen anew for a step, the first of which is 1."""
        return step <= self.last and step % self.interval == 0

    def begun(self, step: int) -> bool:
        """Return whether a mask was chosen for this step or one before it."""
        return step >= self.interval

    def sparsity(self, step: int) -> float:
        """Return s(t)."""
        if self.initial is None:
            return self.final
        left = 1 - min(1.0, step / self.last)
        return self.final + (self.initial - self.final) * left**3
