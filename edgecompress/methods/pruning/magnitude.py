"""Magnitude pruning: zero the smallest weights while training."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import numpy as np

from edgecompress.environment import keras_of, load_keras
from edgecompress.errors import MethodError
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_types import Layer
from edgecompress.methods.eligible import pick
from edgecompress.methods.engines import by_engine, depthwise, first_uncovered, names_of_kernels, told
from edgecompress.methods.protocol import Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.pruning.connections import (
    PRUNED,
    block_survivors,
    group_survivors,
    kept,
    survivors,
    unprunable,
)
from edgecompress.methods.pruning.notes import HINT, pruned_outcome, sparser
from edgecompress.methods.pruning.rounds import due
from edgecompress.methods.pruning.wrapping import stripped, wrapped
from edgecompress.methods.shares import require_share
from edgecompress.methods.step import Step, option
from edgecompress.numerics.sparsity import SparsitySchedule
from edgecompress.tfmot.wrapping.pruning import schedule


@dataclass(frozen=True)
class MagnitudePruning(Step):
    """Zero the weights of smallest magnitude in each kernel, and train the rest.

    `w <- w * m`, `m = 1[|w| > quantile(|w|, s(t))]`, with s(t) constant or rising as
    `s_f + (s_0 - s_f)(1 - t/T)^3`. Structured forms: `n_of_m` zeros m - n of every m weights along the input
    channels ("2:4"), once, as the training begins; `block` removes whole blocks of `rows x columns` by their mean
    magnitude. The mask is chosen anew about every thirtieth of the training; a masked weight grows again if one step
    takes it past others.
    By TF-MOT, layers that it has no wrapper for are left alone. Natively, every kernel that a layer has itself is
    treated, depthwise ones with engine="native" alone; zeros that an earlier step made stay zero, and no tie leaves a
    weight more.

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
    block: tuple[int, int] = option((1, 1), "rows x columns of a kernel that is a matrix")
    engine: Literal["auto", "tf-mot", "native"] = option(
        "auto", "TF-MOT, where the model can be one of Keras 2 and it covers every layer; native otherwise"
    )

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
        """Have every chosen kernel pruned whose shape the pattern or block divides."""
        return by_engine(
            self.engine,
            by_tfmot=lambda: self._by_tfmot(model, context),
            natively=lambda why: self._natively(model, context, why),
            uncovered=lambda prepared: first_uncovered(prepared, model, context.chosen, self._unfit_natively),
        )

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Return plain layers with masks applied; the zeros become a constraint."""
        if keras_of(prepared.model) is load_keras():
            return pruned_outcome(copy_model(prepared.model), prepared.notes)
        return stripped(prepared)

    def _by_tfmot(self, model: Model, context: Context) -> Prepared:
        arguments: dict[str, Any] = {"block_size": self.block, "block_pooling_type": "AVG"}
        if self.n_of_m:
            n, m = self._pattern()
            arguments = {"sparsity_m_by_n": (m - n, m)}  # TF-MOT counts the zeros
        return wrapped(
            model,
            method=self.name,
            chosen=context.chosen,
            unfit=lambda layer: self._unfit(kernels(layer)[-1].shape) or self._unfit_for_tfmot(layer),
            sparsity=self._final_sparsity(),
            pruning_schedule=schedule(self._planned(context.optimizer_steps)),
            **arguments,
        )

    def _natively(self, model: Model, context: Context, why: str) -> Prepared:
        from edgecompress.methods.pruning.scheduled import ScheduledKernel, ScheduledMasks

        layers, notes = pick(model, context.chosen, self._unfit_natively, action=PRUNED, hint=HINT)
        zeros = context.layers_with(Kept.ZEROS)
        scheduled = [
            ScheduledKernel(kernel, (np.asarray(kernel) != 0) | (layer.name not in zeros))
            for layer in layers
            for kernel in self._treated(layer)
        ]
        masks = ScheduledMasks(scheduled, self._survivors, self._planned(context.optimizer_steps))
        return Prepared(model, model, (masks,), told(notes, why))

    def _planned(self, optimizer_steps: int) -> SparsitySchedule:
        if self.n_of_m:
            return SparsitySchedule.once(self._final_sparsity())
        return SparsitySchedule.over(
            optimizer_steps, kind=self.schedule, initial=self.initial_sparsity, final=self.sparsity
        )

    def _survivors(self, kernel: np.ndarray, sparsity: float) -> np.ndarray:
        if self.n_of_m:
            return group_survivors(kernel, *self._pattern())
        if self.block != (1, 1):
            return block_survivors(kernel, sparsity, self.block)
        return survivors(kernel, kernel.size - kept(kernel, sparsity))

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

    def _treated(self, layer: Layer) -> tuple[Any, ...]:
        return tuple(getattr(layer, name) for name in names_of_kernels(layer, self.engine))

    def _unfit_natively(self, layer: Layer) -> str:
        reasons = [depthwise(layer, self.engine), *(self._unfit(kernel.shape) for kernel in self._treated(layer))]
        if self.n_of_m and (unprunable(layer) or type(layer).__name__ == "EinsumDense"):
            reasons.append(f"of a {type(layer).__name__} no axis is known to be its input channels")
        return next(filter(None, reasons), "") or sparser(layer, self._final_sparsity())

    def _unfit(self, shape: tuple[int, ...]) -> str:
        if self.n_of_m and shape[-2] % self._pattern()[1]:
            return f"{shape[-2]} input channels are not a multiple of {self._pattern()[1]}"
        if self.block != (1, 1) and len(shape) != 2:
            return f"blocks are parts of matrices; this kernel has {len(shape)} axes"
        return ""

    def _unfit_for_tfmot(self, layer: Layer) -> str:
        axes = len(kernels(layer)[-1].shape)
        return f"TF-MOT has n:m for kernels of 2 and 4 axes, not {axes}" if self.n_of_m and axes not in (2, 4) else ""
