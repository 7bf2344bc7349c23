"""Pruning for speed: only where XNNPACK's sparse kernels will run, and refused where they cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edgecompress.methods.protocol import Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.pruning.wrapping import stripped, wrapped
from edgecompress.methods.shares import require_share
from edgecompress.methods.step import Step, option
from edgecompress.numerics.sparsity import SparsitySchedule
from edgecompress.tfmot.wrapping.pruning import require_runs_sparse, runs_sparse, schedule

NEEDED = (
    "XNNPACK runs float32 models sparse that begin with ZeroPadding2D(1) and a 3x3 convolution of stride 2 without "
    "padding on 3 channels, go on with 1x1 convolutions, 3x3 or 5x5 depthwise convolutions (stride 2 only behind a "
    "ZeroPadding2D), BatchNormalization, ReLU and Add, and end with GlobalAveragePooling2D(keepdims=True)."
)


@dataclass(frozen=True)
class XNNPACKLatencyPruning(Step):
    """Prune the 1x1 convolutions of a network that XNNPACK can run sparse; refuse any other before training.

    The masks are those of magnitude pruning. At least two thirds of a kernel must be zero for the sparse
    kernel to be used. Elsen et al., Fast Sparse ConvNets, arXiv:1911.09723.
    """

    name: ClassVar[str] = "xnnpack_latency_pruning"
    paper: ClassVar[str] = "Elsen et al. 2019, arXiv:1911.09723"
    summary: ClassVar[str] = "prune the 1x1 convolutions of a network that XNNPACK can run sparse"
    traits: ClassVar[Traits] = Traits(makes=(Kept.ZEROS,), keeps=(Kept.ZEROS,))

    sparsity: float = option(0.8, "share of zeros in each 1x1 kernel, at least 2/3")
    schedule: Literal["polynomial", "constant"] = option("polynomial", "rising to it, or constant from the first step")

    def __post_init__(self) -> None:
        """Raise `MethodError` for a sparsity that would not be run sparse."""
        hint = "XNNPACK uses its sparse kernels from 2/3 zeros on."
        require_share(self.name, above=2 / 3, sparsity=self.sparsity, hint=hint)

    def requires(self, model: Model) -> None:
        """Refuse a network with a layer that XNNPACK cannot run sparse, naming it."""
        require_runs_sparse(model, method=self.name, hint=NEEDED)

    def prepare(self, model: Model, context: Context) -> Prepared:
        """Wrap the 1x1 convolutions."""
        return wrapped(
            model,
            method=self.name,
            chosen=context.chosen,
            unfit=lambda layer: "" if runs_sparse(layer) else "only 1x1 convolutions run sparse",
            sparsity=self.sparsity,
            pruning_schedule=schedule(
                SparsitySchedule.over(context.optimizer_steps, kind=self.schedule, initial=0.0, final=self.sparsity)
            ),
        )

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Take the wrappers off; the zeros become a constraint."""
        return stripped(prepared)
