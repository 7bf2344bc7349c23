"""Methods that let weights share values."""

from edgecompress.methods.sharing.clustering import WeightClustering

METHODS = (WeightClustering,)
