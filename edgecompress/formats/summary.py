"""What every reader of model files returns: a model as a list of layers with shapes, counts and bits.

How it is counted. `parameters` are the trained numbers: kernels, biases, batch-norm gamma and beta; the moving
mean and variance of batch norm are statistics and do not count. `multiply_adds` are those of convolutions and
matrix products, recurrent layers included, for one input; adding a bias, batch norm, activations and pooling count
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgecompress.values import TensorSpec

_IMAGE_AXES = 4


@dataclass(frozen=True)
class LayerSummary:
    """One layer (Keras) or operator (TFLite, ONNX) of a model."""

    name: str
    kind: str  # Keras class name, TFLite builtin name or ONNX operator type
    output_shape: tuple[int, ...]  # with the batch axis; -1 where it is free
    parameters: int = 0
    multiply_adds: int = 0
    weight_bits: int | None = None  # bits of one stored kernel element; None without a kernel
    weights: int = 0  # elements of the kernel
    zero_weights: int = 0  # of which exactly zero (at the zero point, where quantized)
    uncounted: bool = False  # there may be multiply-adds that the file does not tell, and `multiply_adds` is 0
    graph: str = ""  # the part of the file that it belongs to, where that is not the one that is run


@dataclass(frozen=True)
class ModelSummary:
    """A model file, read without running it."""

    format: str  # "tflite", "onnx", "keras_h5", "keras"
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: tuple[LayerSummary, ...]
    metadata: dict[str, str]  # what the file says about itself, as text
    warnings: tuple[str, ...] = ()  # what is odd about it

    @property
    def parameters(self) -> int:
        """Sum over the layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Sum over the layers of the graph that is run, for one input."""
        return sum(layer.multiply_adds for layer in self.layers if not layer.graph)


def common_batch(inputs: Sequence[tuple[int, ...]], outputs: Sequence[tuple[int, ...]]) -> int:
    """Return how many inputs a graph of fixed shapes takes at once; 1 unless that is certain.

    The first axis is a batch where all inputs and outputs have it, and some input has the four axes of images; that of
    a vector or a matrix may as well be samples of a sound, or steps.
    """
    lengths = {shape[:1] for shape in (*inputs, *outputs)}
    if len(lengths) != 1 or not any(len(shape) >= _IMAGE_AXES for shape in inputs):
        return 1
    return max(1, *lengths.pop(), 1)
