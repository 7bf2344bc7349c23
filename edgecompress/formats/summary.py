"""What every reader of model files returns: a model as a list of layers with shapes, counts and bits.

How it is counted. `parameters` are the trained numbers: kernels, biases, batch-norm gamma and beta; the moving
mean and variance of batch norm are statistics and do not count. `multiply_adds` are those of convolutions and
matrix products, for one input; adding a bias, batch norm, activations and pooling count nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgecompress.values import TensorSpec


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


@dataclass(frozen=True)
class ModelSummary:
    """A model file, read without running it."""

    format: str  # "tflite", "onnx", "keras_h5", "keras"
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    layers: tuple[LayerSummary, ...]
    metadata: dict[str, str]  # what the file says about itself, as text

    @property
    def parameters(self) -> int:
        """Sum over the layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def multiply_adds(self) -> int:
        """Sum over the layers, for one input."""
        return sum(layer.multiply_adds for layer in self.layers)
