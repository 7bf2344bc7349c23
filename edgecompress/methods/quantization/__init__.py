"""Methods that train for arithmetic in few bits."""

from edgecompress.methods.quantization.quantization_aware import QuantizationAwareTraining

METHODS = (QuantizationAwareTraining,)
