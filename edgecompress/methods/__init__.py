"""Compression methods, and what one composes them with; `METHODS` is the one table of them, as in the documentation."""

from __future__ import annotations

from edgecompress.errors import MethodError
from edgecompress.methods import binary, pruning, quantization, sharing
from edgecompress.methods.binary import BNN, BWN, BinaryConnect, XNORNet
from edgecompress.methods.composition import chain, only, repeat, together, trained
from edgecompress.methods.pruning import IterativePruning, MagnitudePruning, XNNPACKLatencyPruning
from edgecompress.methods.quantization import QuantizationAwareTraining
from edgecompress.methods.sharing import (
    KMeansSharing,
    ProductQuantization,
    QuantizedCNN,
    ResidualQuantization,
    SoftWeightSharing,
    WeightClustering,
)
from edgecompress.methods.step import Step
from edgecompress.suggest import suggest

METHODS: tuple[type[Step], ...] = (
    *pruning.METHODS,
    *sharing.METHODS,
    *quantization.METHODS,
    *binary.METHODS,
)
__all__ = [
    "BNN",
    "BWN",
    "METHODS",
    "BinaryConnect",
    "IterativePruning",
    "KMeansSharing",
    "MagnitudePruning",
    "ProductQuantization",
    "QuantizationAwareTraining",
    "QuantizedCNN",
    "ResidualQuantization",
    "SoftWeightSharing",
    "WeightClustering",
    "XNNPACKLatencyPruning",
    "XNORNet",
    "chain",
    "find",
    "only",
    "repeat",
    "together",
    "trained",
]


def find(name: str) -> type[Step]:
    """Return the method called `name`.

    Raises:
        MethodError: there is none; the nearest name is suggested.
    """
    by_name = {method.name: method for method in METHODS}
    if name not in by_name:
        raise MethodError(
            f"There is no method '{name}'.",
            hint=suggest(name, by_name),
        )
    return by_name[name]
