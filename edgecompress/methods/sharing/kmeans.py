"""Trained quantization by k-means: the survivors of every kernel share a few values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from edgecompress.errors import MethodError
from edgecompress.keras_bridge.graph import replay
from edgecompress.keras_bridge.kernels import NAMES, kernels
from edgecompress.keras_types import Layer
from edgecompress.methods.eligible import pick
from edgecompress.methods.protocol import Context, Kept, Model, Outcome, Prepared, Traits
from edgecompress.methods.sharing.notes import SHARED, require_clusters, shared_outcome, too_few, with_plain_kernels
from edgecompress.methods.step import Step, option
from edgecompress.numerics.codebook import Codebook, share


@dataclass(frozen=True)
class KMeansSharing(Step):
    """Replace the non-zero weights of each kernel by the means of k clusters, and train the means.

    `w_i <- c_a(i)`, with a and c from k-means on the weights that are not zero, which minimizes
    `sum_i (w_i - c_a(i))^2`; then a stays and c is trained: `dL/dc_j = sum_{a(i)=j} dL/dw_i`. Zeros that an earlier
    pruning made stay exactly zero and take no cluster. Han et al., Deep Compression, arXiv:1510.00149, section 3.

    Unlike weight_clustering, it does not assign weights anew while training, gives zero no cluster, and treats
    depthwise kernels too.
    """

    name: ClassVar[str] = "kmeans_sharing"
    paper: ClassVar[str] = "Han et al. 2015, arXiv:1510.00149"
    summary: ClassVar[str] = "k-means on the survivors of each kernel, the means trained"
    traits: ClassVar[Traits] = Traits(makes=(Kept.SHARED_VALUES,), keeps=(Kept.ZEROS, Kept.SHARED_VALUES), joins=True)

    clusters: int = option(32, "values of a dense kernel beside zero; 32 need 5 bits an index")
    conv_clusters: int = option(256, "values of a convolution's kernel")
    initialization: Literal["linear", "density", "random"] = option("linear", "where k-means begins")
    share_biases: int = option(0, "values of a bias vector, zeros included; 0 leaves biases as they are")
    seed: int = option(0, "of the random initialization")

    def __post_init__(self) -> None:
        """Raise `MethodError` for figures that are out of range."""
        require_clusters(self.name, clusters=self.clusters, conv_clusters=self.conv_clusters)
        if self.share_biases:
            require_clusters(self.name, share_biases=self.share_biases)
        if self.seed < 0:
            raise MethodError(f"{self.name} got seed {self.seed}.", hint="Use a seed of at least 0.")

    def prepare(self, model: Model, context: Context) -> Prepared:
        """Cluster every chosen kernel with more non-zero weights than clusters."""
        from edgecompress.layers.decoders import SharedValues
        from edgecompress.layers.virtual import VirtualLayer

        layers, notes = pick(model, context.chosen, self._unfit, action=SHARED)
        virtual = {
            layer.name: VirtualLayer(layer, {name: SharedValues(book) for name, book in self._codebooks(layer).items()})
            for layer in layers
        }
        shared = replay(model, lambda layer, prefix: virtual.get(layer.name, layer))
        frozen = tuple(weight for layer in virtual.values() for weight in layer.replaced)
        return Prepared(shared, model, notes=notes, frozen=frozen)

    def finalize(self, prepared: Prepared, context: Context) -> Outcome:
        """Return the plain layers with the decoded kernels."""
        return shared_outcome(with_plain_kernels(prepared), prepared.notes)

    def _unfit(self, layer: Layer) -> str:
        survivors = max(int(np.count_nonzero(kernel)) for kernel in kernels(layer))
        return too_few(survivors, self._clusters(layer))

    def _codebooks(self, layer: Layer) -> dict[str, Codebook]:
        def shared(weights: Any, clusters: int, *, zeros: bool) -> Codebook:
            return share(np.asarray(weights), clusters, start=self.initialization, seed=self.seed, zeros=zeros)

        books = {
            name: shared(getattr(layer, name), self._clusters(layer), zeros=True)
            for name in NAMES
            if getattr(layer, name, None) is not None
        }
        bias = getattr(layer, "bias", None)
        if self.share_biases and bias is not None and bias.shape[0] > self.share_biases:
            books["bias"] = shared(bias, self.share_biases, zeros=False)  # a bias is never pruned
        return books

    def _clusters(self, layer: Layer) -> int:
        return self.conv_clusters if len(kernels(layer)[0].shape) > 2 else self.clusters
