"""Keras layers that Keras lacks; their modules load TensorFlow, so they are imported where they are needed."""

from __future__ import annotations


def custom_objects() -> dict[str, type]:
    """Return every layer class of this package by the name that model files have for it; loads TensorFlow."""
    from edgecompress.layers.convolution import BinaryConv2D
    from edgecompress.layers.dense import BinaryDense
    from edgecompress.layers.depthwise import BinaryDepthwiseConv2D
    from edgecompress.layers.rounding.activation_range import ActivationRange, FileRecord
    from edgecompress.layers.rounding.split_activation import SplitActivation
    from edgecompress.layers.sign import Sign

    layers = (ActivationRange, BinaryConv2D, BinaryDense, BinaryDepthwiseConv2D, FileRecord, Sign, SplitActivation)
    return {layer.__name__: layer for layer in layers}
