"""Quantization-aware training in 8 bits, which keeps the zeros or shared values made before it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from edgecompress.environment import keras_of, load_keras
from edgecompress.errors import ConversionError, MethodError
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_types import Layer
from edgecompress.methods.engines import by_engine
from edgecompress.methods.patterns import require_match, require_pattern
from edgecompress.methods.protocol import Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.step import Step, option
from edgecompress.tfmot.wrapping.quantization import IDLE, strip, wrap
from edgecompress.values import LayerNote

NOT_CHOSEN = "not chosen"


@dataclass(frozen=True)
class QuantizationAwareTraining(Step):
    """Train with the rounding of int8 inference in the forward pass.

    `q(x) = s (clip(round(x / s) + z, -128, 127) - z)`, weights symmetric a channel, activations by moving averages
    of their ranges, or by ranges with gradients of their own; the gradient passes straight through where x is in range.
    Weights of b bits are `s k`, |k| < 2^(b-1), which the int8 file holds as codes that are multiples, exactly.
    By TF-MOT, what it cannot wrap stays float, and a kernel whose zeros or shared values it does not keep is not
    trained. Natively, what the int8 file of the network rounds is rounded; what stays float is listed with the reason.
    Jacob et al., arXiv:1712.05877; learned ranges: Jain et al., arXiv:1903.08066; few bits: Banner et al.,
    arXiv:1810.05723; ternary weights: Li et al., arXiv:1605.04711.
    """

    name: ClassVar[str] = "quantization_aware_training"
    paper: ClassVar[str] = "Jacob et al. 2017, arXiv:1712.05877"
    summary: ClassVar[str] = "train with the rounding of int8 inference"
    traits: ClassVar[Traits] = Traits(makes=(Kept.RANGES,), keeps=(Kept.ZEROS, Kept.SHARED_VALUES))

    keep_float: str = option("", "layers whose whole name matches this regular expression are not quantized")
    engine: Literal["auto", "tf-mot", "native"] = option(
        "auto", "TF-MOT, where the model can be one of Keras 2 and it covers every layer; native otherwise"
    )
    ranges: Literal["moving", "learned"] = option(
        "moving", "of activations: averages of each batch's, or by gradients of their own, which is native"
    )

    bits: int = option(8, "of weights, 2 (ternary) to 8; fewer than 8 are native")
    layer_bits: dict[str, int] = option({}, "pattern of layer names: bits of their weights; the first match wins")
    still: float = option(0.5, "share of a native training after which batch norms keep their statistics")

    def __post_init__(self) -> None:
        """Raise `MethodError` where `keep_float` is no regular expression, or an engine has no such ranges."""
        require_pattern(self.keep_float, f"{self.name}, for keep_float,")
        if not 0 <= self.still <= 1:
            raise MethodError(f"{self.name} got still {self.still:g}.", hint="Use a share, in [0, 1].")
        for pattern in self.layer_bits:
            require_pattern(pattern, f"{self.name}, for layer_bits,")
        for bits in (self.bits, *self.layer_bits.values()):
            if not 2 <= bits <= 8:
                raise MethodError(f"{self.name} got bits {bits}.", hint="Use 2 (weights -1, 0, 1 times a scale) to 8.")
        if self.engine == "tf-mot" and self._is_native:
            what = f"ranges '{self.ranges}'" if self.ranges == "learned" else "weights of fewer bits than 8"
            raise MethodError(
                f"{self.name} got engine 'tf-mot' and {what}, which TF-MOT has not.", hint="Leave the engine out."
            )

    def prepare(self, model: Model, context: Context) -> Prepared:
        """Wrap every layer that can be quantized, by the scheme that keeps what was established."""

        def unfit(name: str) -> str:
            picked = context.chosen(name) and not re.fullmatch(self.keep_float, name)
            return "" if picked else NOT_CHOSEN

        return by_engine(
            "native" if self._is_native else self.engine,
            by_tfmot=lambda: self._by_tfmot(model, context, unfit),
            natively=lambda why: self._natively(model, context, unfit, why),
            uncovered=_uncovered,
        )

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Return the float network with the trained weights, and beside it the one with fake quantization."""
        if keras_of(prepared.model) is load_keras():
            from edgecompress.methods.quantization import native

            plain = native.plain_weights(prepared.model, prepared.source)
            kept = [note.layer for note in prepared.notes if note.reason == NOT_CHOSEN]
            quantized = native.plain_layers(prepared.model, plain, context.samples(native.COUNT), kept_float=kept)
        else:
            plain, quantized = strip(
                prepared.model, prepared.source, shared_values=bool(context.layers_with(Kept.SHARED_VALUES))
            )
        return Outcome(model=plain, quantized=quantized, notes=prepared.notes)

    @property
    def _is_native(self) -> bool:
        """Whether something is asked for that TF-MOT has not."""
        return self.ranges == "learned" or min(self.bits, *self.layer_bits.values(), 8) < 8

    def _bits_of(self, layer: str) -> int:
        return next((bits for pattern, bits in self.layer_bits.items() if re.fullmatch(pattern, layer)), self.bits)

    def requires(self, model: Model) -> None:
        """Refuse a pattern that matches no layer."""
        for pattern in self.layer_bits:
            require_match(pattern, f"{self.name}, for layer_bits,", model)

    def _by_tfmot(self, model: Model, context: Context, unfit: Callable[[str], str]) -> Prepared:
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

    def _natively(self, model: Model, context: Context, unfit: Callable[[str], str], why: str) -> Prepared:
        from edgecompress.keras_bridge.splitting.recurrent import without_loops
        from edgecompress.layers.decoders import Decoder, Masked, SharedValues
        from edgecompress.layers.virtual import VirtualLayer
        from edgecompress.methods.quantization import native
        from edgecompress.numerics.codebook import Codebook

        model = without_loops(model)  # int8 files have none
        zeros, shared = context.layers_with(Kept.ZEROS), context.layers_with(Kept.SHARED_VALUES)

        def weights(layer: Layer, name: str) -> Decoder:
            kernel = np.asarray(getattr(layer, name))
            if layer.name in shared:
                return SharedValues(Codebook.of(kernel))
            return Masked(kernel, keeps_zeros=layer.name in zeros)

        left = {layer.name: reason for layer in model.layers if (reason := unfit(layer.name))}
        try:
            wrapped, scheme = native.fake_quantized(
                model,
                context.samples(native.COUNT),
                kept_float=left,
                weights=weights,
                bits=self._bits_of,
                ranges=self.ranges,
            )
        except ConversionError as error:
            raise MethodError(f"'{model.name}' cannot be quantized: {error.message}", hint=error.hint) from error
        if not scheme.kernels:
            raise MethodError(
                f"No layer of '{model.name}' can be quantized: {len(left)} of {len(model.layers)} were not chosen, and "
                "TFLite has no int8 form of a kernel in the others.",
                hint="Loosen keep_float, or choose other layers.",
            )
        virtual = [layer for layer in wrapped.layers if isinstance(layer, VirtualLayer)]
        frozen = tuple(weight for layer in virtual for weight in layer.replaced)
        notes = []
        for layer in model.layers:
            if not kernels(layer) or layer.name in left:
                reason = left.get(layer.name, "")
                if reason:
                    notes.append(LayerNote(layer.name, "kept float", reason))
            elif layer.name in scheme.kernels:
                figures = {"bits": float(bits)} if (bits := self._bits_of(layer.name)) < 8 else {}
                notes.append(LayerNote(layer.name, "quantized", f"natively: {why}" if why else "", figures))
            else:
                notes.append(LayerNote(layer.name, "kept float", "its kernel has no int8 form in TFLite"))
        still_from = round(self.still * context.optimizer_steps)
        return Prepared(wrapped, model, notes=tuple(notes), frozen=frozen, still_from=still_from)


def _uncovered(prepared: Prepared) -> str:
    """Why TF-MOT does not cover a layer that was chosen; "" where it covers all."""
    left = [note for note in prepared.notes if note.action == "kept float"]
    return next((f"{note.layer}: {note.reason}" for note in left if note.reason not in (NOT_CHOSEN, IDLE)), "")
