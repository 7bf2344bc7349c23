"""Weight clustering by TF-MOT: every kernel keeps only a few distinct values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_types import Layer
from edgecompress.methods.eligible import pick
from edgecompress.methods.protocol import Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.sharing.notes import SHARED, require_clusters, shared_outcome, too_few
from edgecompress.methods.step import Step, option
from edgecompress.tfmot.wrapping.clustering import strip, unclusterable, wrap
from edgecompress.tfmot.wrapping.translating import enter


@dataclass(frozen=True)
class WeightClustering(Step):
    """Replace each kernel by `clusters` shared values, and train the values.

    `w_i <- c_{a(i)}`, `a(i) = argmin_j |w_i - c_j|`; the gradient of a centroid is the sum over its members.
    Zeros that an earlier pruning made stay zero. Han et al., Deep Compression, arXiv:1510.00149, section 3.
    """

    name: ClassVar[str] = "weight_clustering"
    paper: ClassVar[str] = "Han et al. 2015, arXiv:1510.00149"
    summary: ClassVar[str] = "a few shared values a kernel, trained"
    traits: ClassVar[Traits] = Traits(makes=(Kept.SHARED_VALUES,), keeps=(Kept.ZEROS, Kept.SHARED_VALUES))

    clusters: int = option(16, "distinct values a kernel, at least 2; 16 need 4 bits an index")
    initialization: Literal["kmeans_plus_plus", "linear", "density_based", "random"] = option(
        "kmeans_plus_plus", "where the values begin"
    )

    def __post_init__(self) -> None:
        """Raise `MethodError` for fewer than two clusters."""
        require_clusters(self.name, clusters=self.clusters)

    def prepare(self, model: Model, context: Context) -> Prepared:
        """Wrap every chosen kernel with more elements than clusters."""
        twin = enter(model, method=self.name)
        layers, notes = pick(twin, context.chosen, self._unfit, action=SHARED)
        ready = wrap(
            twin,
            layers,
            clusters=self.clusters,
            initialization=self.initialization,
            zeros=context.layers_with(Kept.ZEROS),
        )
        return Prepared(ready, model, notes=notes)

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Put plain kernels back, and note how many distinct values each really has."""
        return shared_outcome(strip(prepared.model, prepared.source), prepared.notes)

    def _unfit(self, layer: Layer) -> str:
        weights = max(int(np.prod(kernel.shape)) for kernel in kernels(layer))
        return unclusterable(layer) or too_few(weights, self.clusters)
