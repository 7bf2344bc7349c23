"""What stands around binary layers in a model: who reads what, seen through the layers that move values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgecompress.environment import load_keras
from edgecompress.keras_bridge.graph import inbound_layers
from edgecompress.keras_types import Layer, Model

POOLS = ("MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D", "GlobalAveragePooling2D")
RESHAPING = ("ZeroPadding2D", "Dropout", "Flatten", "Reshape")  # a batch norm of channels stands before these
PASSIVE = (*POOLS, *RESHAPING, "Concatenate")  # none of them makes a negative value of positive ones
COMPUTING = ("Conv2D", "Conv2DTranspose", "DepthwiseConv2D", "Dense")
ACTIVATIONS = ("ReLU", "Activation")


def kind(layer: Layer) -> str:
    """Return the name of the layer's class."""
    return type(layer).__name__


def has_activation(layer: Layer) -> bool:
    """Return whether a convolution or dense layer applies a function of its own to its sums."""
    return kind(layer) in COMPUTING and layer.activation is not load_keras().activations.linear


@dataclass(frozen=True)
class Surroundings:
    """The graph around the layers that take signs of their inputs, which are given by name."""

    model: Model
    signs: frozenset[str]

    def readers(self, layer: Layer) -> list[Any]:
        """Return the layers that read what `layer` makes, the model's own output as None."""
        found = [node.operation for node in layer._outbound_nodes]
        return found + [None for tensor in self.model.outputs if tensor._keras_history.operation is layer]

    def only_reader(self, layer: Layer) -> Any | None:
        """Return the one layer that reads what `layer` makes, if it reads nothing else, or None."""
        readers = self.readers(layer)
        alone = len(readers) == 1 and readers[0] is not None and len(readers[0]._inbound_nodes) == 1
        return readers[0] if alone else None

    def feeds_signs_only(self, layer: Layer) -> bool:
        """Return whether nothing but signs is taken of what `layer` makes."""
        return len(layer._inbound_nodes) == 1 and all(
            reader is not None
            and (reader.name in self.signs or (kind(reader) in PASSIVE and self.feeds_signs_only(reader)))
            for reader in self.readers(layer)
        )

    def is_normalized(self, layer: Layer) -> bool:
        """Return whether `layer` gives what a batch norm made, or sums of that, which have both signs."""
        if kind(layer) == "BatchNormalization":
            return True
        through = kind(layer) in (*PASSIVE, "Add") or (kind(layer) in ACTIVATIONS and self.feeds_signs_only(layer))
        return through and all(self.is_normalized(source) for source in inbound_layers(layer))

    def where_to_normalize(self, layer: Layer) -> Any:
        """Return the layer before which a batch norm for the sign of `layer` stands: it, or what reshapes for it."""
        (source,) = inbound_layers(layer)
        alone = kind(source) in RESHAPING and self.only_reader(source) is layer
        return self.where_to_normalize(source) if alone else layer

    def batch_norm_behind(self, layer: Layer) -> Any | None:
        """Return the batch norm that takes up the scale of each channel of `layer`, or None."""
        reader = self.only_reader(layer)
        if reader is None or kind(reader) == "BatchNormalization":
            return reader
        return self.batch_norm_behind(reader) if kind(reader) in (*POOLS, *ACTIVATIONS, "Dropout") else None
