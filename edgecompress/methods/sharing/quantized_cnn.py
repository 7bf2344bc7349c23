"""Quantized-CNN: product quantization that keeps each layer's outputs, the errors of layers before it corrected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgecompress.environment import load_keras, load_tensorflow
from edgecompress.keras_bridge.graph import first_input
from edgecompress.keras_types import Layer
from edgecompress.methods.eligible import require_one_input
from edgecompress.methods.protocol import Context, Model, Prepared
from edgecompress.methods.sharing.prefix import values_of
from edgecompress.methods.sharing.vector import ProductQuantization
from edgecompress.methods.step import option
from edgecompress.numerics.error_correction import quantize_with_correction
from edgecompress.numerics.generated.vector_codebook import VectorCodebook

SAMPLES = 8192  # rows of a layer's inputs that count; a convolution has one at each position of each image


@dataclass(frozen=True)
class QuantizedCNN(ProductQuantization):
    """Product quantization that minimizes the error of each layer's outputs instead of its weights'.

    `min |X W - X^ W^|^2`, layer by layer in order: X are the inputs in the original network, X^ those behind the layers
    already quantized. Codebooks and indices are improved in turn, `sweeps` times, from plain product quantization.
    Wu et al., arXiv:1512.06473, section 3.
    """

    name: ClassVar[str] = "quantized_cnn"
    paper: ClassVar[str] = "Wu et al. 2016, arXiv:1512.06473"
    summary: ClassVar[str] = "product quantization that keeps outputs, errors of earlier layers corrected"

    sweeps: int = option(2, "over the codebooks of a layer")
    images: int = option(512, "of the training split, on which outputs are compared")

    def __post_init__(self) -> None:
        """Raise `MethodError` for figures out of range."""
        super().__post_init__()
        self._require(sweeps=self.sweeps, images=self.images)

    def requires(self, model: Model) -> None:
        """Refuse networks with more than one input, of which images say nothing."""
        require_one_input(self.name, model, hint="Use product_quantization, which needs no images.")

    def codebook(self, prepared: Prepared, context: Context, layer: Layer) -> VectorCodebook:
        """Return the words that keep the layer's outputs best."""
        (images,) = context.samples(self.images)
        kernel = layer.kernel.numpy()
        weights = kernel.reshape(-1, kernel.shape[-1])
        inputs, received = (self._rows(model, layer.name, images) for model in (prepared.source, prepared.model))
        return quantize_with_correction(
            weights,
            inputs,
            received,
            spaces=len(weights) // self.length,
            words=self.words,
            seed=self.seed,
            sweeps=self.sweeps,
        )

    def _rows(self, model: Model, name: str, images: np.ndarray) -> np.ndarray:
        """Return the inputs of a layer as rows that are multiplied by its kernel, a seeded choice of them."""
        layer = model.get_layer(name)
        is_convolution = isinstance(layer, load_keras().layers.Conv2D)
        generator = np.random.default_rng(self.seed)
        share = max(1, SAMPLES // len(images))  # of each image's rows, drawn alike from both networks
        found = []
        for inputs in values_of(model, first_input(layer), images):
            values = _patches(layer, inputs) if is_convolution else inputs
            for rows in values.reshape(len(values), -1, values.shape[-1]):
                found.append(rows[generator.permutation(len(rows))[:share]])
        return np.concatenate(found)


def _patches(layer: Layer, inputs: np.ndarray) -> np.ndarray:
    patches = load_tensorflow().image.extract_patches(
        inputs,
        sizes=[1, *layer.kernel_size, 1],
        strides=[1, *layer.strides, 1],
        rates=[1, *layer.dilation_rate, 1],
        padding=layer.padding.upper(),
    )
    return np.asarray(patches)
