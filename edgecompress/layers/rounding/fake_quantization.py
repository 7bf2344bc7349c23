"""Kernels as the codes of a file hold them: rounded to a grid of few numbers, whole or filter by filter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.keras_types import Tensor
from edgecompress.layers.decoders import Decoder, Theta

LEAST_SCALE = 1e-9  # of a filter of zeros, as in the file


@dataclass(frozen=True, eq=False)
class FakeQuantized(Decoder):
    """`W = s clip(round(V / s), -K, K)`, `K = 2^(b-1) - 1`, with one s along the axes that share it.

    In 8 bits `s = max|V| / 127`, and nothing is clipped. In fewer `s = min(max|V| / K, a E|V| / 2^(b-1))`, E over what
    is not zero and `a e^a = 3 * 4^b`: where a Laplacian is best cut for the mean square of what rounding and cutting
    change. The gradient passes straight through. A batch norm behind multiplies the scale of each filter when it is
    folded, and changes no code.

    Jacob et al., arXiv:1712.05877; a scale a channel: Krishnamoorthi, arXiv:1806.08342; where to cut: Banner et al.,
    arXiv:1810.05723, section 3.
    """

    inner: Decoder  # V
    shared: tuple[int, ...]  # the axes along which one scale holds
    bits: int = 8  # b, 2 to 8; 2 bits are ternary weights

    def start(self) -> dict[str, np.ndarray]:
        """Return what V is made of."""
        return self.inner.start()

    def tensor(self, theta: Theta) -> Tensor:
        """Return the kernel rounded."""
        tensorflow = load_tensorflow()
        latent = self.inner.tensor(theta)
        size = tensorflow.abs(latent)
        scale = tensorflow.reduce_max(size, self.shared, keepdims=True) / self._levels
        if self.bits < 8:
            count = tensorflow.math.count_nonzero(size, self.shared, keepdims=True, dtype=tensorflow.float32)
            mean = tensorflow.reduce_sum(size, self.shared, keepdims=True) / tensorflow.maximum(count, 1.0)
            scale = tensorflow.minimum(scale, mean * self._step_of_mean)
        scale = tensorflow.maximum(scale, LEAST_SCALE)
        codes = tensorflow.clip_by_value(tensorflow.round(latent / scale), -self._levels, self._levels)
        return latent + tensorflow.stop_gradient(codes * scale - latent)

    def array(self, theta: Theta) -> np.ndarray:
        """Return the kernel rounded."""
        latent = self.inner.array(theta)
        size = np.abs(latent)
        scale = size.max(self.shared, keepdims=True) / np.float32(self._levels)
        if self.bits < 8:
            count = np.count_nonzero(size, self.shared, keepdims=True).astype(np.float32)
            mean = size.sum(self.shared, keepdims=True, dtype=np.float32) / np.maximum(count, np.float32(1))
            scale = np.minimum(scale, mean * np.float32(self._step_of_mean))
        scale = np.maximum(scale, np.float32(LEAST_SCALE))
        return np.clip(np.rint(latent / scale), -self._levels, self._levels) * scale

    @property
    def _levels(self) -> int:
        return 2 ** (self.bits - 1) - 1

    @property
    def _step_of_mean(self) -> float:
        return laplacian_clip(self.bits) / 2 ** (self.bits - 1)


@cache
def laplacian_clip(bits: int) -> float:
    """Return a, with `a e^a = 3 * 4^bits`, by Newton's method; arXiv:1810.05723, equation 12."""
    wanted, found = math.log(3 * 4**bits), 1.0
    for _ in range(50):
        found -= (found + math.log(found) - wanted) / (1 + 1 / found)
    return found
