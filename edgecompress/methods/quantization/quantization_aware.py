"""Quantization-aware training in 8 bits, which keeps the zeros or shared values made before it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from edgecompress.methods.patterns import require_pattern
from edgecompress.methods.protocol import Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.step import Step, option
from edgecompress.tfmot.wrapping.quantization import strip, wrap
from edgecompress.values import LayerNote


@dataclass(frozen=True)
class QuantizationAwareTraining(Step):
    """Train with the rounding of int8 inference in the forward pass.

    `q(x) = s (clip(round(x / s) + z, -128, 127) - z)`, weights symmetric a channel, activations by moving averages
    of their ranges; the gradient passes straight through where x is in range. What TF-MOT cannot wrap stays float, and
    is listed with the reason. A kernel whose zeros or shared values TF-MOT does not keep is not trained.
    Jacob et al., arXiv:1712.05877.
    """

    name: ClassVar[str] = "quantization_aware_training"
    paper: ClassVar[str] = "Jacob et al. 2017, arXiv:1712.05877"
    summary: ClassVar[str] = "train with the rounding of int8 inference"
    traits: ClassVar[Traits] = Traits(makes=(Kept.RANGES,), keeps=(Kept.ZEROS, Kept.SHARED_VALUES))

    keep_float: str = option("", "layers whose whole name matches this regular expression are not quantized")

    def __post_init__(self) -> None:
        """Raise `MethodError` where `keep_float` is not a regular expression."""
        require_pattern(self.keep_float, f"{self.name}, for keep_float,")

    def prepare(self, model: Model, context: Context) -> Prepared:
        """Wrap every layer that TF-MOT can quantize, by the scheme that keeps what was established."""

        def unfit(name: str) -> str:
            picked = context.chosen(name) and not re.fullmatch(self.keep_float, name)
            return "" if picked else "not chosen"

        quantized = wrap(
            model,
            method=self.name,
            unfit=unfit,
            zeros=bool(context.layers_with(Kept.ZEROS)),
            shared_values=bool(context.layers_with(Kept.SHARED_VALUES)),
        )
        notes = tuple(
            LayerNote(name, "kept float" if reason else "quantized", reason) for name, reason in quantized.left.items()
        )
        established = {name for constraint in context.kept for name in constraint.layers}
        held = (established & quantized.left.keys()) - quantized.keeping
        frozen = tuple(weight for name in sorted(held) for weight in quantized.kernels(name))
        return Prepared(quantized.model, model, notes=notes, frozen=frozen, held=frozenset(held))

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Return the float network with the trained weights, and beside it the one with fake quantization."""
        plain, quantized = strip(
            prepared.model, prepared.source, shared_values=bool(context.layers_with(Kept.SHARED_VALUES))
        )
        return Outcome(model=plain, quantized=quantized, notes=prepared.notes)
