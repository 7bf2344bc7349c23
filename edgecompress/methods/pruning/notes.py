"""What methods that prune by magnitude have in common: which layers they leave alone, and what they note."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgecompress.keras_bridge.kernels import kernel_zeros, kernels
from edgecompress.keras_types import Layer
from edgecompress.methods.protocol import Constraint, Kept, Model, Outcome
from edgecompress.methods.pruning.connections import PRUNED
from edgecompress.values import LayerNote

HINT = "Choose other layers, or a block size and n:m pattern that divide the kernels."


def sparser(layer: Layer, sparsity: float) -> str:
    """Return why a layer that has more zeros than the final `sparsity` is left alone, or ''."""
    zeros = kernel_zeros(layer)
    one = 1 / max(int(np.prod(kernel.shape)) for kernel in kernels(layer))  # a share is rounded to whole weights
    return f"{zeros:.3g} of its kernel is zero already" if zeros > sparsity + one else ""


def pruned_outcome(model: Model, notes: Iterable[LayerNote]) -> Outcome:
    """Return the outcome of plain layers that were pruned, with the sparsity that each kernel really has."""
    noted = tuple(
        LayerNote(
            note.layer, note.action, note.reason, {"sparsity": round(kernel_zeros(model.get_layer(note.layer)), 4)}
        )
        for note in notes
    )
    pruned = tuple(note.layer for note in noted if note.action == PRUNED)
    return Outcome(model=model, notes=noted, constraints=(Constraint(Kept.ZEROS, pruned),))
