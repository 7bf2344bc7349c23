"""What methods that share values have in common: which figures they take, what they refuse, make and note."""

from __future__ import annotations

from collections.abc import Iterable

from edgecompress.errors import MethodError
from edgecompress.keras_bridge.graph import replay
from edgecompress.keras_bridge.kernels import distinct_values, kernel_zeros
from edgecompress.keras_types import Layer
from edgecompress.methods.protocol import Constraint, Kept, Model, Outcome, Prepared
from edgecompress.values import LayerNote

SHARED = "clustered"  # the action of a layer whose weights share values


def require_clusters(name: str, **counts: int) -> None:
    """Raise `MethodError` where one of the options `counts` of the method `name` is below two."""
    for option, clusters in counts.items():
        if clusters < 2:
            raise MethodError(f"{name} got {option} {clusters}.", hint="Use at least 2; 16 is usual.")


def too_few(weights: int, clusters: int) -> str:
    """Return why a kernel of so many weights is not worth so many clusters, or ''."""
    return f"{weights} weights are no more than {clusters} clusters" if weights <= clusters else ""


def shared_outcome(model: Model, notes: Iterable[LayerNote], *, zeros: bool = False) -> Outcome:
    """Return the outcome of plain layers that share values, with how many each really has; `zeros`: those are kept."""
    noted = tuple(
        LayerNote(note.layer, note.action, note.reason, _figures(model.get_layer(note.layer))) for note in notes
    )
    shared = tuple(note.layer for note in noted if note.action == SHARED)
    kinds = (Kept.ZEROS, Kept.SHARED_VALUES) if zeros else (Kept.SHARED_VALUES,)
    return Outcome(model=model, notes=noted, constraints=tuple(Constraint(kind, shared) for kind in kinds))


def with_plain_kernels(prepared: Prepared) -> Model:
    """Return the model that was trained, with plain layers of decoded kernels in the place of virtual ones."""
    plain = {name: prepared.model.get_layer(name).plain() for name in prepared.treated}
    model = replay(prepared.model, lambda layer, prefix: plain.get(layer.name, layer))
    for name, layer in plain.items():
        prepared.model.get_layer(name).copy_to(layer)
    return model


def _figures(layer: Layer) -> dict[str, float]:
    return {"distinct_values": distinct_values(layer), "sparsity": round(kernel_zeros(layer), 4)}
