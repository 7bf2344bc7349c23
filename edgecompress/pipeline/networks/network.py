"""A network that is to be trained, and what must be known of it before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgecompress.keras_types import Model
from edgecompress.values import LayerNote

Construct = Callable[[int, int], tuple[Model, tuple[LayerNote, ...]]]


@dataclass(frozen=True)
class Network:
    """The input of a network, how it is built, and what is known of it."""

    size: tuple[int, int]  # height, width
    channels: int | None  # None: the data set's
    input_range: tuple[float, float]  # what pixels 0..255 are mapped to
    construct: Construct  # a new one for so many channels and classes, with notes on its weights
    logits: bool = False  # of its outputs; otherwise they are probabilities
    head: str = ""  # the layer that is a new classifier on top of others that were trained
    trained: bool = False  # whether it can be asked already
    assumptions: tuple[str, ...] = ()  # sentences on what nobody said
