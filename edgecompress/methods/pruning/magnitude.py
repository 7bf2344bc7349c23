"""Magnitude pruning: zero the smallest weights while training."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

from edgecompress.errors import MethodError
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_types import Layer
from edgecompress.methods.protocol import Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.pruning.rounds import due
from edgecompress.methods.pruning.wrapping import stripped, wrapped
from edgecompress.methods.shares import require_share
from edgecompress.methods.step import Step, option
from edgecompress.tfmot.wrapping.pruning import schedule


@dataclass(frozen=True)
class MagnitudePruning(Step):
    """Zero the weights of smallest magnitude in each kernel, and train the rest.

    `w <- w * m`, `m = 1[|w| > quantile(|w|, s(t))]`, with s(t) constant or rising as
    `s_f + (s_0 - s_f)(1 - t/T)^3`. Structured forms: `n_of_m` zeros m - n of every m weights along the input
    channels ("2:4"); `block` removes whole blocks of `rows x columns` by their mean magnitude.

    Zhu and Gupta, To prune, or not to prune, arXiv:1710.01878; n:m: Mishra et al., arXiv:2104.08378.
    """

    name: ClassVar[str] = "magnitude_pruning"
    paper: ClassVar[str] = "Zhu and Gupta 2017, arXiv:1710.01878"
    summary: ClassVar[str] = "zero the smallest weights while training"
    traits: ClassVar[Traits] = Traits(makes=(Kept.ZEROS,), keeps=(Kept.ZEROS,))

    sparsity: float = option(0.8, "share of zeros in each kernel, in [0, 1)")
    schedule: Literal["polynomial", "constant"] = option("polynomial", "rising to it, or constant from the first step")
    initial_sparsity: float = option(0.0, "where the polynomial schedule begins")
    n_of_m: str = option("", "'2:4': of every 4 weights 2 stay; the sparsity follows")
    block: tuple[int, int] = option((1, 1), "rows x columns of the kernel seen as a matrix")

    def __post_init__(self) -> None:
        """Raise `MethodError` for figures outside their range."""
        require_share(
            self.name,
            sparsity=self.sparsity,
            initial_sparsity=self.initial_sparsity,
            hint="0.8 zeroes four of five weights.",
        )
        if self.initial_sparsity > self.sparsity:
            raise MethodError(
                f"{self.name} got sparsity {self.sparsity} and initial_sparsity {self.initial_sparsity}.",
                hint="The initial one is not above the final one.",
            )
        if self.n_of_m:
            kept, group = self._pattern()
            if self.sparsity not in (type(self).sparsity, 1 - kept / max(group, 1)):
                raise MethodError(
                    f"{self.name} got sparsity {self.sparsity} and n_of_m '{self.n_of_m}', from which it follows.",
                    hint="Leave the sparsity out.",
                )
            if self.block != (1, 1) or not 0 < kept < group:
                raise MethodError(
                    f"{self.name} got n_of_m '{self.n_of_m}' and block {self.block}.",
                    hint="Use n_of_m = '2:4' (n below m) or a block, not both.",
                )
        if min(self.block) < 1:
            raise MethodError(f"{self.name} got block {self.block}.", hint="Use two positive numbers, such as (4, 1).")

    def in_round(self, number: int, rounds: int) -> Self:
        """Return the method that removes, in each round, the same share of what is left; n:m has no part of itself."""
        if self.n_of_m:
            return self
        before, after = (due(self.sparsity, done, rounds) for done in (number - 1, number))
        return replace(self, sparsity=after, initial_sparsity=max(before, min(self.initial_sparsity, after)))

    def prepare(self, model: Model, context: Context) -> Prepared:
        """Wrap every chosen kernel whose shape the pattern or block divides."""
        steps = context.optimizer_steps
        if self.n_of_m:
            n, m = self._pattern()
            arguments: dict[str, Any] = {
                "sparsity_m_by_n": (m - n, m),  # TF-MOT counts the zeros
                "pruning_schedule": schedule(
                    "constant",
                    initial_sparsity=0.0,
                    sparsity=self._final_sparsity(),
                    optimizer_steps=steps,
                ),
            }
        else:
            arguments = {
                "block_size": self.block,
                "block_pooling_type": "AVG",
                "pruning_schedule": schedule(
                    self.schedule,
                    initial_sparsity=self.initial_sparsity,
                    sparsity=self.sparsity,
                    optimizer_steps=steps,
                ),
            }
        return wrapped(
            model,
            method=self.name,
            chosen=context.chosen,
            unfit=self._unfit,
            sparsity=self._final_sparsity(),
            **arguments,
        )

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Take the wrappers off; the zeros become a constraint."""
        return stripped(prepared)

    def _final_sparsity(self) -> float:
        if not self.n_of_m:
            return self.sparsity
        n, m = self._pattern()
        return 1 - n / m

    def _pattern(self) -> tuple[int, int]:
        match = re.fullmatch(r"(\d{1,4}):(\d{1,4})", self.n_of_m)
        if not match:
            raise MethodError(f"{self.name} got n_of_m '{self.n_of_m}'.", hint="Write it as '2:4'.")
        return int(match[1]), int(match[2])

    def _unfit(self, layer: Layer) -> str:
        shape = kernels(layer)[-1].shape
        if self.n_of_m and shape[-2] % self._pattern()[1]:
            return f"{shape[-2]} input channels are not a multiple of {self._pattern()[1]}"
        if self.block != (1, 1) and len(shape) != 2:
            return "TF-MOT prunes blocks of matrices only; this kernel has 4 axes"
        return ""
