"""Methods that let weights share values, or parts of kernels the words of codebooks."""

from edgecompress.methods.sharing.clustering import WeightClustering
from edgecompress.methods.sharing.kmeans import KMeansSharing
from edgecompress.methods.sharing.quantized_cnn import QuantizedCNN
from edgecompress.methods.sharing.soft import SoftWeightSharing
from edgecompress.methods.sharing.vector import ProductQuantization, ResidualQuantization

METHODS = (
    WeightClustering,
    KMeansSharing,
    SoftWeightSharing,
    ProductQuantization,
    ResidualQuantization,
    QuantizedCNN,
)
