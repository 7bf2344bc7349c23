"""Quantization-aware training in 8 bits, which keeps the zeros or shared values made before it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from edgecompress.environment import load_tf_keras, load_tfmot
from edgecompress.errors import MethodError
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.kernels import NAMES
from edgecompress.methods.patterns import require_pattern
from edgecompress.methods.protocol import Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.quantization.scheme import keeps_kernel, scheme_for, values_of_whole_kernels
from edgecompress.methods.step import Step, option
from edgecompress.tfmot.door import enter
from edgecompress.tfmot.graph import inbound_layers, replay
from edgecompress.values import LayerNote

PREFIX = "quant_"


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
        """Annotate every layer that TF-MOT can quantize, and apply the scheme that keeps what was established."""
        from edgecompress.tfmot.dropout import CountedDropout

        quantization = load_tfmot().quantization.keras
        scheme = scheme_for(context)
        registry = scheme.get_quantize_registry()
        established = {name for constraint in context.kept for name in constraint.layers}
        held: list[str] = []
        notes: list[LayerNote] = []

        def substitute(layer: Any, prefix: str) -> Any:
            picked = context.chosen(layer.name) and not re.fullmatch(self.keep_float, layer.name)
            reason = _stays_float(layer, registry) if picked else "not chosen"
            notes.append(LayerNote(layer.name, "kept float" if reason else "quantized", reason))
            if layer.name in established and (reason or not keeps_kernel(layer)):
                held.append(layer.name)
            return layer if reason else quantization.quantize_annotate_layer(layer)

        annotated = replay(enter(model, method=self.name), substitute)
        if all(note.action == "kept float" for note in notes):
            raise MethodError(
                f"No layer of '{model.name}' can be quantized by TF-MOT.",
                hint="Use post-training quantization: convert the float model --to tflite:int8.",
            )
        with quantization.quantize_scope({CountedDropout.__name__: CountedDropout}), values_of_whole_kernels():
            try:
                wrapped = quantization.quantize_apply(annotated, scheme=scheme)
            except (RuntimeError, ValueError) as error:
                raise MethodError(
                    f"TF-MOT cannot quantize '{model.name}': {error}",
                    hint="Name the layer it mentions in --keep-float, or use post-training quantization.",
                ) from error
        frozen = (weight for name in held for weight in _holder(wrapped, name).weights if _last_name(weight) in NAMES)
        return Prepared(wrapped, model, notes=tuple(notes), frozen=tuple(frozen), held=frozenset(held))

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Return the float network with the trained weights, and beside it the one with fake quantization."""
        from edgecompress.tfmot.dropout import with_plain_dropout

        quantized = prepared.model
        if context.layers_with(Kept.SHARED_VALUES):
            quantized = load_tfmot().experimental.combine.strip_clustering_cqat(quantized)
        plain = copy_model(prepared.source)
        for layer in plain.layers:
            if layer.weights:
                layer.set_weights(_trained_weights(quantized, layer))
        return Outcome(model=plain, quantized=with_plain_dropout(quantized), notes=prepared.notes)


def _stays_float(layer: Any, registry: Any) -> str:
    """Return why TF-MOT cannot quantize the layer, or ''."""
    layers = load_tf_keras().layers
    if isinstance(layer, layers.Dropout):
        return "it does nothing at inference"
    if isinstance(layer, layers.BatchNormalization):
        foldable = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
        if all(isinstance(found, foldable) for found in inbound_layers(layer)):
            return ""
        return "it is not directly behind a convolution or dense layer into which it would fold"
    if registry.supports(layer):
        return ""
    kind = layer.function.__name__ if type(layer).__name__ == "TFOpLambda" else type(layer).__name__
    return f"TF-MOT has no 8-bit form of {kind}"


def _trained_weights(quantized: Model, wanted: Any) -> list[Any]:
    """Return the trained values of the plain layer `wanted`, in its order, out of the layer that wraps its translation.

    A wrapper adds variables of its own (ranges, a step) beside the layer's; the layer's keep their last name, which in
    a depthwise convolution is "depthwise_kernel".
    """
    values = {_last_name(weight): weight.numpy() for weight in _holder(quantized, wanted.name).weights}
    return [values.get(weight.name, values.get(f"depthwise_{weight.name}")) for weight in wanted.weights]


def _holder(quantized: Model, name: str) -> Any:
    by_name = {layer.name: layer for layer in quantized.layers}
    return by_name.get(PREFIX + name) or by_name[name]


def _last_name(weight: Any) -> str:
    return str(weight.name).split("/")[-1].split(":")[0]
