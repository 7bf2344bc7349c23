"""A layer whose weights are a few shared values, which are what is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from edgecompress.environment import load_tensorflow, load_tf_keras
from edgecompress.numerics.codebook import Codebook

tensorflow: Any = load_tensorflow()
keras: Any = load_tf_keras()

Tensor = Any


class SharedWeights(keras.layers.Wrapper):
    """Wraps a built layer, and computes with `decode(values)` in the place of each weight that has a codebook.

    The weights that are replaced are taken out of the layer; the rest of it, such as its bias, trains on. Which value
    an element has is fixed by the codebook, so that a checkpoint needs the values only.
    """

    def __init__(self, layer: Any, codebooks: dict[str, Codebook]) -> None:
        super().__init__(layer, name=layer.name)
        self._decoders = {name: decoder(book) for name, book in codebooks.items()}
        self._values = {
            name: self.add_weight(
                f"{name}_values", book.values.shape, initializer=keras.initializers.Constant(book.values)
            )
            for name, book in codebooks.items()
        }
        for name in codebooks:
            delattr(layer, name)  # Keras forgets the variable with the attribute

    def call(self, inputs: Any) -> Any:
        """Call the layer with decoded weights."""
        for name, values in self._values.items():
            setattr(self.layer, name, self._decoders[name](values))
        return self.layer(inputs)

    def decoded(self, name: str) -> np.ndarray:
        """Return the weight `name` of the layer as it is now."""
        return self._decoders[name](self._values[name]).numpy()

    def copy_to(self, plain: Any) -> None:
        """Assign the decoded weights, and the rest of the wrapped layer's, to a layer like it."""
        for name in self._values:
            getattr(plain, name).assign(self.decoded(name))
        decoded = [id(getattr(plain, name)) for name in self._values]
        others = [weight for weight in plain.weights if id(weight) not in decoded]
        for target, weight in zip(others, self.layer.weights, strict=True):
            target.assign(weight)


def decoder(codebook: Codebook) -> Callable[[Tensor], Tensor]:
    """Return the function `W_i = c_a(i)` of the values c, zero where the codebook is; `dL/dc_j = sum_{a(i)=j} dL/dW_i`.

    Members are summed in a fixed order. The gradient of a gather would be as many slices as there are weights, and
    `tf.math.bincount` adds up in an order that differs from call to call, so that a resumed training would differ.

    Han et al., Deep Compression, arXiv:1510.00149, section 3.3.
    """
    indices = codebook.indices.ravel()
    order = np.argsort(indices, kind="stable")[np.count_nonzero(indices == 0) :].astype(np.int32)
    members = indices[order] - 1
    shaped = codebook.indices

    @tensorflow.custom_gradient
    def decode(values: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        def gradient(upstream: Tensor) -> Tensor:
            flat = tensorflow.reshape(tensorflow.convert_to_tensor(upstream), [-1])
            return tensorflow.math.segment_sum(tensorflow.gather(flat, order), members)

        return tensorflow.gather(tensorflow.concat([[0.0], values], 0), shaped), gradient

    return lambda values: decode(tensorflow.convert_to_tensor(values))
