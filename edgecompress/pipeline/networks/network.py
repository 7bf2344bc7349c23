"""A network that is to be trained, and what must be known of it before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgecompress.keras_types import Model
from edgecompress.values import LayerNote, TensorSpec

Construct = Callable[[int, int, str], tuple[Model, tuple[LayerNote, ...]]]


@dataclass(frozen=True)
class Network:
    """The input of a network, how it is built, and what is known of it."""

    size: tuple[int, int] | None  # height, width; None where it takes no images
    channels: int | None  # None: the data set's
    input_range: tuple[float, float] | None  # what pixels 0..255 are mapped to; None where nobody says it
    construct: Construct  # a new one for so many channels and outputs, with such an end, and notes on its weights
    inputs: tuple[TensorSpec, ...] = ()  # where it can take arrays as they are
    end: str = ""  # "softmax", "sigmoid" or "linear"; "" where it can be chosen
    loss: str = ""  # what it was compiled to minimize, if that is known
    head: str = ""  # the layer that is a new classifier on top of others that were trained
    trained: bool = False  # whether it can be asked already
    assumptions: tuple[str, ...] = ()  # sentences on what nobody said
