"""Kernels as the codes of a file hold them: rounded to a grid of few numbers, whole or filter by filter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.keras_types import Tensor
from edgecompress.layers.decoders import Decoder, Theta

LARGEST_CODE = 127  # the least is its negative
LEAST_SCALE = 1e-9  # of a filter of zeros, as in the file


@dataclass(frozen=True, eq=False)
class FakeQuantized(Decoder):
    """`W = s round(V / s)`, with `s = max|V| / 127` over the axes that share a scale.

    The gradient passes straight through: nothing is beyond the greatest. A batch norm behind multiplies the scale of
    each filter when it is folded, and changes no code.

    Jacob et al., arXiv:1712.05877; a scale a channel: Krishnamoorthi, arXiv:1806.08342.
    """

    inner: Decoder  # V
    shared: tuple[int, ...]  # the axes along which one scale holds

    def start(self) -> dict[str, np.ndarray]:
        """Return what V is made of."""
        return self.inner.start()

    def tensor(self, theta: Theta) -> Tensor:
        """Return the kernel rounded."""
        tensorflow = load_tensorflow()
        latent = self.inner.tensor(theta)
        most = tensorflow.reduce_max(tensorflow.abs(latent), self.shared, keepdims=True)
        scale = tensorflow.maximum(most / LARGEST_CODE, LEAST_SCALE)
        return latent + tensorflow.stop_gradient(tensorflow.round(latent / scale) * scale - latent)

    def array(self, theta: Theta) -> np.ndarray:
        """Return the kernel rounded."""
        latent = self.inner.array(theta)
        most = np.abs(latent).max(self.shared, keepdims=True)
        scale = np.maximum(most / np.float32(LARGEST_CODE), np.float32(LEAST_SCALE))
        return np.rint(latent / scale) * scale
