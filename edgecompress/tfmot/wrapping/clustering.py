"""Weight clustering by TF-MOT's wrappers: what they take, and the weights that come out of them."""

from __future__ import annotations

from collections.abc import Collection

from edgecompress.environment import load_tfmot
from edgecompress.keras_types import Layer, Model
from edgecompress.tfmot.graph import called_again, replay
from edgecompress.tfmot.wrapping.translating import leave


def unclusterable(twin: Model, layer: Layer) -> str:
    """Return why TF-MOT cannot cluster a layer of a translation, or ''."""
    from tensorflow_model_optimization.python.core.clustering.keras import clustering_registry

    registry = clustering_registry.ClusteringRegistry
    supported = registry.supports(layer) and registry.make_clusterable(layer).get_clusterable_weights()
    return called_again(twin, layer) if supported else f"TF-MOT does not cluster {type(layer).__name__}"


def wrap(
    twin: Model, layers: Collection[Layer], *, clusters: int, initialization: str, zeros: Collection[str]
) -> Model:
    """Return the translation with these layers of it wrapped; those called as in `zeros` keep theirs."""
    clustering = load_tfmot().clustering.keras
    from tensorflow_model_optimization.python.core.clustering.keras import cluster

    def substitute(layer: Layer, prefix: str) -> Layer:
        if layer not in layers:
            return layer
        return cluster._cluster_weights(  # the public function hides preserve_sparsity
            layer,
            number_of_clusters=clusters,
            cluster_centroids_init=clustering.CentroidInitialization[initialization.upper()],
            preserve_sparsity=layer.name in zeros,
        )

    return replay(twin, substitute)


def strip(wrapped: Model, model: Model) -> Model:
    """Return a copy of `model` with the weights of the wrapped translation, each that of its cluster."""
    return leave(load_tfmot().clustering.keras.strip_clustering(wrapped), model)
