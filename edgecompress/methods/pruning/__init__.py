"""Methods that zero weights."""

from edgecompress.methods.pruning.iterative import IterativePruning
from edgecompress.methods.pruning.magnitude import MagnitudePruning
from edgecompress.methods.pruning.xnnpack_latency import XNNPACKLatencyPruning

METHODS = (MagnitudePruning, IterativePruning, XNNPACKLatencyPruning)
