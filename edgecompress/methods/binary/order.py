"""The order of layers around a sign: batch norm, sign, convolution, pool (Rastegari et al., arXiv:1603.05279)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from edgecompress.keras_bridge.graph import first_input, inbound_layers
from edgecompress.keras_types import Layer
from edgecompress.layers.padding import same_padding
from edgecompress.methods.binary.surroundings import ACTIVATIONS, Surroundings, has_activation, kind
from edgecompress.values import LayerNote


@dataclass
class Order:
    """What is to change around the layers with binary inputs, by layer name, with the notes on it."""

    linear: set[str] = field(default_factory=set)  # layers that lose their own activation
    dropped: set[str] = field(default_factory=set)  # layers that are taken out, or put elsewhere
    behind: dict[str, list[Any]] = field(default_factory=dict)  # layers put behind this one
    normalized: set[str] = field(default_factory=set)  # layers that a new batch norm is put before
    padded: set[str] = field(default_factory=set)  # convolutions that pad by themselves
    remarks: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # on layers that have a note
    notes: list[LayerNote] = field(default_factory=list)


def order_around(surroundings: Surroundings) -> Order:
    """Plan the changes that bring every layer in `surroundings.signs` into the order."""
    order = Order()
    for layer in surroundings.model.layers:
        _drop_activation(layer, surroundings, order)
    for layer in surroundings.model.layers:
        if layer.name in surroundings.signs:
            _pool_before_normalizing(layer, surroundings, order)
            _normalize(layer, surroundings, order)
            _pad(layer, surroundings, order)
    return order


def _drop_activation(layer: Layer, surroundings: Surroundings, order: Order) -> None:
    """Take out what would make every sign the same, or none different; dropout would make some +1, and none absent."""
    if not surroundings.feeds_signs_only(layer):
        return
    if kind(layer) == "Dropout":
        order.dropped.add(layer.name)
        order.notes.append(LayerNote(layer.name, "removed", "the sign of a dropped value would be +1"))
    if kind(layer) in ACTIVATIONS:
        order.dropped.add(layer.name)
        order.notes.append(LayerNote(layer.name, "removed", "only signs are taken of it"))
    elif has_activation(layer):
        order.linear.add(layer.name)
        order.remarks[layer.name].append("its activation is taken out, since only signs are taken of it")


def _pool_before_normalizing(layer: Layer, surroundings: Surroundings, order: Order) -> None:
    """Make of [convolution, batch norm, max-pool] what keeps the convolution's sums whole: the pool first."""
    batch_norm = surroundings.only_reader(layer)
    if batch_norm is None or kind(batch_norm) != "BatchNormalization" or has_activation(layer):
        return
    moved = [batch_norm]
    pool = surroundings.only_reader(batch_norm)
    if pool is not None and kind(pool) in ACTIVATIONS:
        moved += [] if pool.name in order.dropped else [pool]
        pool = surroundings.only_reader(pool)
    if pool is not None and kind(pool) == "MaxPooling2D":
        order.dropped.update(each.name for each in moved)
        order.behind[pool.name] = moved
        order.notes += [LayerNote(each.name, "moved", f"behind '{pool.name}'") for each in moved]


def _normalize(layer: Layer, surroundings: Surroundings, order: Order) -> None:
    (source,) = inbound_layers(layer)
    if not surroundings.is_normalized(source):
        order.normalized.add(surroundings.where_to_normalize(layer).name)
        order.remarks[layer.name].append("a batch norm is put before its sign")


def _pad(layer: Layer, surroundings: Surroundings, order: Order) -> None:
    (source,) = inbound_layers(layer)
    if kind(source) != "ZeroPadding2D":
        return
    alone = surroundings.readers(source) == [layer] and kind(layer) == "Conv2D" and layer.padding == "valid"
    if alone and source.padding == _same(layer, first_input(source).shape[1:3]):
        order.dropped.add(source.name)
        order.padded.add(layer.name)
        order.notes.append(LayerNote(source.name, "removed", f"'{layer.name}' pads by ones instead"))
    else:
        order.remarks[layer.name].append(f"the zeros of '{source.name}' become +1")


def _same(convolution: Any, size: tuple[int | None, ...]) -> tuple[tuple[int, int], ...] | None:
    """Return the padding that "same" would be, or None where it depends on an unknown size."""
    if None in size:
        return None
    sides = zip(size, convolution.kernel_size, convolution.strides, convolution.dilation_rate, strict=True)
    return tuple(same_padding(*side) for side in sides)
