"""Making layers of a functional model binary, and putting what surrounds them in the order that signs need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.graph import copy_model, replay
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_types import Layer
from edgecompress.methods.binary.initialization import MOMENTUM, start
from edgecompress.methods.binary.order import Order, order_around
from edgecompress.methods.binary.scheme import Scheme
from edgecompress.methods.binary.surroundings import Surroundings, has_activation
from edgecompress.methods.protocol import LayerFilter, Model
from edgecompress.values import LayerNote

BINARIZED = "binarized"  # the action of a layer of which only signs compute


def binarize(model: Model, scheme: Scheme, *, chosen: LayerFilter) -> tuple[Model, tuple[LayerNote, ...]]:
    """Return a copy of `model` with binary layers, whose latent weights start from the float ones, and notes on each.

    The first and the last layer with a kernel stay float, and so do those that are not `chosen` or do not fit.
    """
    keras = load_keras()
    work = copy_model(model)
    reasons = _stay_float(work, scheme, chosen)
    floats = [layer for layer in work.layers if reasons.get(layer.name) == ""]
    names = frozenset(layer.name for layer in floats)
    surroundings = Surroundings(work, names if scheme.binary_inputs else frozenset())
    order = order_around(surroundings)
    batch_norms = {layer.name: surroundings.batch_norm_behind(layer) for layer in floats}
    binaries = {}
    for layer in floats:
        changes: dict[str, Any] = {}
        if layer.name in order.padded:
            changes["padding"] = "same"
        if layer.name in order.linear:
            changes["activation"] = "linear"
        elif not scheme.scaled and batch_norms[layer.name] is None and not surroundings.feeds_signs_only(layer):
            changes["activation"] = "linear"
            order.behind[layer.name] = _new_scale(layer)
            order.remarks[layer.name].append("a batch norm is put behind it, which takes up the scale of its sums")
        binaries[layer.name] = scheme.binary(layer, **changes)
    for layer in work.layers:
        if layer.name in order.linear:
            layer.activation = keras.activations.linear
    rebuilt = replay(work, _substitution(order, binaries))
    for layer in floats:
        start(binaries[layer.name], layer, batch_norms[layer.name])
    return copy_model(rebuilt), (*_notes(work, reasons, binaries, order), *order.notes)


def _stay_float(model: Model, scheme: Scheme, chosen: LayerFilter) -> dict[str, str]:
    """Return why each layer with a kernel stays float, '' for those that become binary."""
    layers = [layer for layer in model.layers if kernels(layer)]
    reasons = {layer.name: "" if chosen(layer.name) else "not chosen" for layer in layers}
    for layer in layers:
        reasons[layer.name] = reasons[layer.name] or scheme.unfit(layer)
    for layer, place in [*zip(layers[:1], ["first"], strict=False), *zip(layers[-1:], ["last"], strict=False)]:
        reasons[layer.name] = f"the {place} layer with a kernel stays real"
    return reasons


def _new_scale(layer: Layer) -> list[Any]:
    """Return a batch norm for sums of signs, and behind it the activation that the layer had."""
    layers = load_keras().layers
    batch_norm = layers.BatchNormalization(momentum=MOMENTUM, name=f"{layer.name}_output_bn")
    if not has_activation(layer):
        return [batch_norm]
    return [batch_norm, layers.Activation(layer.activation, name=f"{layer.name}_activation")]


def _substitution(order: Order, binaries: dict[str, Any]) -> Callable[[Any, str], Any]:
    layers = load_keras().layers
    normalized: dict[int, Any] = {}  # one batch norm for all that read the same tensor

    def normalize(tensor: Any, name: str) -> Any:
        if id(tensor) not in normalized:
            normalized[id(tensor)] = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_input_bn")(tensor)
        return normalized[id(tensor)]

    def substitute(layer: Layer, prefix: str) -> Any:
        parts = [] if layer.name in order.dropped else [binaries.get(layer.name, layer)]
        parts += order.behind.get(layer.name, [])
        if layer.name in order.normalized:
            parts.insert(0, lambda tensor: normalize(tensor, layer.name))
        if parts == [layer]:
            return layer  # it may take more than one tensor

        def call(tensor: Any, **options: Any) -> Any:
            for part in parts:
                tensor = part(tensor, **options) if part is layer else part(tensor)
            return tensor

        return call

    return substitute


def _notes(model: Model, reasons: dict[str, str], binaries: dict[str, Any], order: Order) -> list[LayerNote]:
    notes = []
    for layer in model.layers:
        remarks = order.remarks.get(layer.name, [])
        if layer.name in binaries:
            weights = sum(int(np.prod(kernel.shape)) for kernel in kernels(layer))
            figures: dict[str, float] = {"weights": weights, "alpha": int(binaries[layer.name].scaled)}
            notes.append(LayerNote(layer.name, BINARIZED, "; ".join(remarks), figures))
        elif layer.name in reasons:
            notes.append(LayerNote(layer.name, "kept float", "; ".join([reasons[layer.name], *remarks])))
        elif remarks:
            notes.append(LayerNote(layer.name, "changed", "; ".join(remarks)))
    return notes
