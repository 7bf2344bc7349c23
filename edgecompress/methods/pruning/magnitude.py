"""Magnitude pruning: zero the smallest weights while training."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from edgecompress.errors import MethodError
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.methods.base import Constraint, LayerFilter, Model, Outcome, Prepared, Step
from edgecompress.methods.pruning.wrapping import refuse_after_sharing, schedule, strip, wrap
from edgecompress.methods.shares import require_share


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

    sparsity: float = 0.8  # share of zeros in each kernel, in [0, 1)
    schedule: Literal["polynomial", "constant"] = "polynomial"
    initial_sparsity: float = 0.0  # where the polynomial schedule begins
    n_of_m: str = ""  # "2:4": of every 4 weights 2 stay; the sparsity follows
    block: tuple[int, int] = (1, 1)  # rows x columns of the kernel seen as a matrix

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

    def requires(self, model: Model, kept: tuple[Constraint, ...]) -> None:
        """Refuse to prune after clustering."""
        refuse_after_sharing(self.name, kept)

    def prepare(
        self, model: Model, *, optimizer_steps: int, kept: tuple[Constraint, ...], chosen: LayerFilter
    ) -> Prepared:
        """Wrap every chosen kernel whose shape the pattern or block divides."""
        if self.n_of_m:
            n, m = self._pattern()
            arguments: dict[str, Any] = {
                "sparsity_m_by_n": (m - n, m),  # TF-MOT counts the zeros
                "pruning_schedule": schedule(
                    "constant", initial_sparsity=0.0, sparsity=1 - n / m, optimizer_steps=optimizer_steps
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
                    optimizer_steps=optimizer_steps,
                ),
            }
        return wrap(model, chosen=chosen, unfit=self._unfit, kept=kept, **arguments)

    def finalize(self, prepared: Prepared) -> Outcome:
        """Take the wrappers off; the zeros become a constraint."""
        return strip(prepared)

    def _pattern(self) -> tuple[int, int]:
        match = re.fullmatch(r"(\d{1,4}):(\d{1,4})", self.n_of_m)
        if not match:
            raise MethodError(f"{self.name} got n_of_m '{self.n_of_m}'.", hint="Write it as '2:4'.")
        return int(match[1]), int(match[2])

    def _unfit(self, layer: Any) -> str:
        shape = kernels(layer)[-1].shape
        if self.n_of_m and shape[-2] % self._pattern()[1]:
            return f"{shape[-2]} input channels are not a multiple of {self._pattern()[1]}"
        if self.block != (1, 1) and len(shape) != 2:
            return "TF-MOT prunes blocks of matrices only; this kernel has 4 axes"
        return ""
