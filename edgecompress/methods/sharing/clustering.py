"""Weight clustering: every kernel keeps only a few distinct values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from edgecompress.environment import load_tfmot
from edgecompress.errors import MethodError
from edgecompress.keras_bridge.graph import replay
from edgecompress.keras_bridge.kernels import kernel_zeros, kernels
from edgecompress.methods.base import Constraint, LayerFilter, Model, Outcome, Prepared, Step
from edgecompress.values import LayerNote


@dataclass(frozen=True)
class WeightClustering(Step):
    """Replace each kernel by `clusters` shared values, and train the values.

    `w_i <- c_{a(i)}`, `a(i) = argmin_j |w_i - c_j|`; the gradient of a centroid is the sum over its members.
    Zeros that an earlier pruning made stay zero. Han et al., Deep Compression, arXiv:1510.00149, section 3.
    """

    name: ClassVar[str] = "weight_clustering"
    paper: ClassVar[str] = "Han et al. 2015, arXiv:1510.00149"
    summary: ClassVar[str] = "a few shared values a kernel, trained"

    clusters: int = 16  # distinct values a kernel, at least 2; 16 need 4 bits an index
    initialization: Literal["kmeans_plus_plus", "linear", "density_based", "random"] = "kmeans_plus_plus"

    def __post_init__(self) -> None:
        """Raise `MethodError` for fewer than two clusters."""
        if self.clusters < 2:
            raise MethodError(f"{self.name} got clusters {self.clusters}.", hint="Use at least 2; 16 is usual.")

    def prepare(
        self, model: Model, *, optimizer_steps: int, kept: tuple[Constraint, ...], chosen: LayerFilter
    ) -> Prepared:
        """Wrap every chosen kernel with more elements than clusters; TF-MOT takes the kernels from `model`, a copy."""
        clustering = load_tfmot().clustering.keras
        from tensorflow_model_optimization.python.core.clustering.keras import cluster

        zeros = {name for constraint in kept if constraint.kind == "zeros" for name in constraint.layers}
        notes: list[LayerNote] = []

        def substitute(layer: Any, prefix: str) -> Any:
            if not kernels(layer):
                return layer
            reason = "" if chosen(layer.name) else "not chosen"
            reason = reason or self._unfit(layer)
            if reason:
                notes.append(LayerNote(layer.name, "skipped", reason))
                return layer
            notes.append(LayerNote(layer.name, "clustered"))
            return cluster._cluster_weights(  # the public function hides preserve_sparsity
                layer,
                number_of_clusters=self.clusters,
                cluster_centroids_init=clustering.CentroidInitialization[self.initialization.upper()],
                preserve_sparsity=layer.name in zeros,
            )

        wrapped = replay(model, substitute)
        if not any(note.action == "clustered" for note in notes):
            reasons = "; ".join(f"{note.layer}: {note.reason}" for note in notes) or "it has no kernel"
            raise MethodError(f"Nothing in '{model.name}' can be clustered ({reasons}).", hint="Choose other layers.")
        return Prepared(wrapped, model, (), tuple(notes), kept)

    def finalize(self, prepared: Prepared) -> Outcome:
        """Put plain kernels back, and note how many distinct values each really has."""
        model = load_tfmot().clustering.keras.strip_clustering(prepared.model)
        found = {layer.name: layer for layer in model.layers}
        notes = tuple(
            LayerNote(note.layer, note.action, note.reason, self._figures(found[note.layer])) for note in prepared.notes
        )
        clustered = tuple(note.layer for note in notes if note.action == "clustered")
        return Outcome(model=model, notes=notes, constraints=(Constraint("shared values", clustered),))

    def _unfit(self, layer: Any) -> str:
        from tensorflow_model_optimization.python.core.clustering.keras import clustering_registry

        registry = clustering_registry.ClusteringRegistry
        if not registry.supports(layer) or not registry.make_clusterable(layer).get_clusterable_weights():
            return f"TF-MOT does not cluster {type(layer).__name__}"
        size = max(int(np.prod(kernel.shape)) for kernel in kernels(layer))
        return f"{size} weights are no more than {self.clusters} clusters" if size <= self.clusters else ""

    @staticmethod
    def _figures(layer: Any) -> dict[str, float]:
        values = {float(value) for kernel in kernels(layer) for value in np.unique(np.asarray(kernel))}
        return {"distinct_values": len(values), "sparsity": round(kernel_zeros(layer), 4)}
