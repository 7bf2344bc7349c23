"""Weight clustering: every kernel keeps only a few distinct values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from edgecompress.environment import keras_of, load_keras
from edgecompress.keras_bridge.graph import copy_model, replay
from edgecompress.keras_bridge.kernels import kernels
from edgecompress.keras_types import Layer
from edgecompress.methods.eligible import pick
from edgecompress.methods.engines import by_engine, depthwise, first_uncovered, names_of_kernels, told
from edgecompress.methods.protocol import Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.sharing.notes import SHARED, require_clusters, shared_outcome, too_few, with_plain_kernels
from edgecompress.methods.step import Step, option
from edgecompress.numerics.codebook import Start, share
from edgecompress.tfmot.wrapping.clustering import strip, unclusterable, wrap
from edgecompress.tfmot.wrapping.translating import enter

STARTS: dict[str, Start] = {  # TF-MOT's names of them
    "kmeans_plus_plus": "kmeans_plus_plus",
    "linear": "linear",
    "density_based": "density",
    "random": "random",
}


@dataclass(frozen=True)
class WeightClustering(Step):
    """Replace each kernel by `clusters` shared values, and train the values.

    `w_i <- c_{a(i)}`, `a(i) = argmin_j |w_i - c_j|`; the gradient of a centroid is the sum over its members.
    Weights are trained as well, by the gradients of the values that they have, so that they are assigned anew in each
    step. Zeros that an earlier pruning made stay zero, which is then one of the values.
    By TF-MOT, layers that it has no wrapper for are left alone. Natively, every kernel that a layer has itself is
    treated, depthwise ones with engine="native" alone, and the values begin where k-means ends that begins as said.
    Han et al., Deep Compression, arXiv:1510.00149, section 3.
    """

    name: ClassVar[str] = "weight_clustering"
    paper: ClassVar[str] = "Han et al. 2015, arXiv:1510.00149"
    summary: ClassVar[str] = "a few shared values a kernel, trained"
    traits: ClassVar[Traits] = Traits(makes=(Kept.SHARED_VALUES,), keeps=(Kept.ZEROS, Kept.SHARED_VALUES))

    clusters: int = option(16, "distinct values a kernel, at least 2; 16 need 4 bits an index")
    initialization: Literal["kmeans_plus_plus", "linear", "density_based", "random"] = option(
        "kmeans_plus_plus", "where the values begin"
    )
    engine: Literal["auto", "tf-mot", "native"] = option(
        "auto", "TF-MOT, where the model can be one of Keras 2 and it covers every layer; native otherwise"
    )

    def __post_init__(self) -> None:
        """Raise `MethodError` for fewer than two clusters."""
        require_clusters(self.name, clusters=self.clusters)

    def prepare(self, model: Model, context: Context) -> Prepared:
        """Have every chosen kernel clustered that has more weights than clusters."""
        zeros = context.layers_with(Kept.ZEROS)
        return by_engine(
            self.engine,
            by_tfmot=lambda: self._by_tfmot(model, context, zeros),
            natively=lambda why: self._natively(model, context, zeros, why),
            uncovered=lambda prepared: first_uncovered(
                prepared, model, context.chosen, lambda layer: self._unfit_natively(layer, zeros)
            ),
        )

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Put plain kernels back, and note how many distinct values each really has."""
        if keras_of(prepared.model) is load_keras():
            return shared_outcome(copy_model(with_plain_kernels(prepared)), prepared.notes)
        return shared_outcome(strip(prepared.model, prepared.source), prepared.notes)

    def _by_tfmot(self, model: Model, context: Context, zeros: frozenset[str]) -> Prepared:
        twin = enter(model, method=self.name)

        def unfit(layer: Layer) -> str:
            weights = max(int(np.prod(kernel.shape)) for kernel in kernels(layer))
            return unclusterable(twin, layer) or too_few(weights, self.clusters)

        layers, notes = pick(twin, context.chosen, unfit, action=SHARED)
        ready = wrap(twin, layers, clusters=self.clusters, initialization=self.initialization, zeros=zeros)
        return Prepared(ready, model, notes=notes)

    def _natively(self, model: Model, context: Context, zeros: frozenset[str], why: str) -> Prepared:
        from edgecompress.layers.decoders import NearestValues
        from edgecompress.layers.virtual import VirtualLayer

        def decoder(layer: Layer, name: str) -> NearestValues:
            kernel, keeps = np.asarray(getattr(layer, name)), layer.name in zeros
            # Zero is one of the values.
            book = share(kernel, self.clusters - keeps, start=STARTS[self.initialization], zeros=keeps)
            return NearestValues(kernel, book.values, keeps)

        layers, notes = pick(model, context.chosen, lambda layer: self._unfit_natively(layer, zeros), action=SHARED)
        virtual = {
            layer.name: VirtualLayer(
                layer, {name: decoder(layer, name) for name in names_of_kernels(layer, self.engine)}
            )
            for layer in layers
        }
        shared = replay(model, lambda layer, prefix: virtual.get(layer.name, layer))
        frozen = tuple(weight for layer in virtual.values() for weight in layer.replaced)
        return Prepared(shared, model, notes=told(notes, why), frozen=frozen)

    def _unfit_natively(self, layer: Layer, zeros: frozenset[str]) -> str:
        if untreated := depthwise(layer, self.engine):
            return untreated
        arrays = [np.asarray(getattr(layer, name)) for name in names_of_kernels(layer, self.engine)]
        keeps = layer.name in zeros
        return too_few(max(int(np.count_nonzero(each)) if keeps else each.size for each in arrays), self.clusters)
