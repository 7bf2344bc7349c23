"""Fake quantization by TF-MOT's wrappers: which layers are wrapped, and the weights that come out of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from edgecompress.environment import load_tf_keras, load_tfmot
from edgecompress.errors import MethodError
from edgecompress.keras_bridge.graph import copy_model
from edgecompress.keras_bridge.kernels import NAMES
from edgecompress.keras_types import Layer, Model
from edgecompress.tfmot.graph import inbound_layers, replay
from edgecompress.tfmot.wrapping.quantization_scheme import keeps_kernel, scheme_that_keeps, values_of_whole_kernels
from edgecompress.tfmot.wrapping.translating import enter

PREFIX = "quant_"
IDLE = "it does nothing at inference"


@dataclass(frozen=True)
class FakeQuantized:
    """A translation with fake quantization, and what is to be known of each layer of the model that it is of."""

    model: Model
    left: dict[str, str]  # why a layer stays float, or ''
    keeping: frozenset[str]  # layers whose kernels keep their zeros or shared values in training

    def kernels(self, name: str) -> tuple[Any, ...]:
        """Return the kernels of the layer of this name."""
        return tuple(weight for weight in _holder(self.model, name).weights if _last_name(weight) in NAMES)


def wrap(model: Model, *, method: str, unfit: Callable[[str], str], zeros: bool, shared_values: bool) -> FakeQuantized:
    """Wrap every layer of the translation that TF-MOT can quantize; the scheme keeps `zeros` and `shared_values`.

    `unfit(name)` is the reason why a layer is left alone, or ''.

    Raises:
        MethodError: no layer can be quantized, or TF-MOT fails on one.
    """
    from edgecompress.tfmot.wrapping.dropout import CountedDropout

    quantization = load_tfmot().quantization.keras
    scheme = scheme_that_keeps(zeros=zeros, shared_values=shared_values)
    registry = scheme.get_quantize_registry()
    left: dict[str, str] = {}
    keeping: set[str] = set()

    def substitute(layer: Layer, prefix: str) -> Layer:
        reason = left[layer.name] = unfit(layer.name) or _unquantizable(layer, registry)
        if not reason and keeps_kernel(layer):
            keeping.add(layer.name)
        return layer if reason else quantization.quantize_annotate_layer(layer)

    annotated = replay(enter(model, method=method), substitute)
    if all(left.values()):
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
    return FakeQuantized(wrapped, left, frozenset(keeping))


def strip(wrapped: Model, model: Model, *, shared_values: bool) -> tuple[Model, Model]:
    """Return a copy of `model` with the weights trained in `wrapped`, and what is emitted of `wrapped` itself."""
    from edgecompress.tfmot.wrapping.dropout import with_plain_dropout

    if shared_values:
        wrapped = load_tfmot().experimental.combine.strip_clustering_cqat(wrapped)
    plain = copy_model(model)
    for layer in plain.layers:
        if layer.weights:
            layer.set_weights(_trained_weights(wrapped, layer))
    return plain, with_plain_dropout(wrapped)


def _unquantizable(layer: Layer, registry: Any) -> str:
    """Return why TF-MOT cannot quantize the layer, or ''."""
    layers = load_tf_keras().layers
    if isinstance(layer, layers.Dropout):
        return IDLE
    if isinstance(layer, layers.BatchNormalization):
        foldable = (layers.Conv2D, layers.DepthwiseConv2D, layers.Dense)
        if all(isinstance(found, foldable) for found in inbound_layers(layer)):
            return ""
        return "it is not directly behind a convolution or dense layer into which it would fold"
    if registry.supports(layer):
        return ""
    kind = layer.function.__name__ if type(layer).__name__ == "TFOpLambda" else type(layer).__name__
    return f"TF-MOT has no 8-bit form of {kind}"


def _trained_weights(quantized: Model, wanted: Layer) -> list[Any]:
    """Return the trained values of the plain layer `wanted`, in its order, out of the layer that wraps its translation.

    A wrapper adds variables of its own (ranges, a step) beside the layer's; the layer's keep their last name, which in
    a depthwise convolution is "depthwise_kernel".
    """
    values = {_last_name(weight): weight.numpy() for weight in _holder(quantized, wanted.name).weights}
    return [values.get(weight.name, values.get(f"depthwise_{weight.name}")) for weight in wanted.weights]


def _holder(quantized: Model, name: str) -> Layer:
    by_name = {layer.name: layer for layer in quantized.layers}
    return by_name.get(PREFIX + name) or by_name[name]


def _last_name(weight: Any) -> str:
    return str(weight.name).split("/")[-1].split(":")[0]
