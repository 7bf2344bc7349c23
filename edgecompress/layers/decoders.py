"""Weights that are a formula of others, theta: how TensorFlow computes them in a training, and NumPy afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.keras_types import Tensor
from edgecompress.numerics.codebook import Codebook

tensorflow: Any = load_tensorflow()

Theta = Mapping[str, Any]  # by name, what is trained: arrays, tensors or variables


class Decoder(ABC):
    """A weight W = decode(theta)."""

    @abstractmethod
    def start(self) -> dict[str, np.ndarray]:
        """Return theta as a training begins."""

    @abstractmethod
    def tensor(self, theta: Theta) -> Tensor:
        """Return W, through which gradients reach theta."""

    @abstractmethod
    def array(self, theta: Theta) -> np.ndarray:
        """Return W by NumPy, so that a file holds these bits on every machine."""


@dataclass(frozen=True, eq=False)
class Masked(Decoder):
    """`W = V m`, with m = 0 where the kernel is zero as a training begins and its zeros are to be kept, 1 elsewhere."""

    kernel: np.ndarray
    keeps_zeros: bool

    def start(self) -> dict[str, np.ndarray]:
        """Return the kernel."""
        return {"latent": self.kernel}

    def tensor(self, theta: Theta) -> Tensor:
        """Return the kernel with its zeros."""
        latent = tensorflow.convert_to_tensor(theta["latent"])
        return latent * (self.kernel != 0).astype(np.float32) if self.keeps_zeros else latent

    def array(self, theta: Theta) -> np.ndarray:
        """Return the kernel with its zeros."""
        latent = np.asarray(theta["latent"])
        return np.where(self.kernel != 0, latent, np.float32(0)) if self.keeps_zeros else latent


@dataclass(frozen=True, eq=False)
class SharedValues(Decoder):
    """`W_i = c_a(i)` of the values c, zero where the codebook is; `dL/dc_j = sum_{a(i)=j} dL/dW_i`.

    Which value an element has is fixed by the codebook. Members are summed in a fixed order: the gradient of a gather
    would be as many slices as there are weights, and `tf.math.bincount` adds up in an order that differs from call to
    call, so that a resumed training would differ.

    Han et al., Deep Compression, arXiv:1510.00149, section 3.3.
    """

    codebook: Codebook

    def start(self) -> dict[str, np.ndarray]:
        """Return the values of the codebook."""
        return {"values": self.codebook.values}

    def tensor(self, theta: Theta) -> Tensor:
        """Return the value of each element."""
        indices = self.codebook.indices.ravel()
        order = np.argsort(indices, kind="stable")[np.count_nonzero(indices == 0) :].astype(np.int32)
        members = indices[order] - 1

        @tensorflow.custom_gradient
        def decode(values: Tensor) -> tuple[Tensor, Any]:
            def gradient(upstream: Tensor) -> Tensor:
                flat = tensorflow.reshape(tensorflow.convert_to_tensor(upstream), [-1])
                return tensorflow.math.segment_sum(tensorflow.gather(flat, order), members)

            return tensorflow.gather(tensorflow.concat([[0.0], values], 0), self.codebook.indices), gradient

        return decode(tensorflow.convert_to_tensor(theta["values"]))

    def array(self, theta: Theta) -> np.ndarray:
        """Return the value of each element."""
        return Codebook(np.asarray(theta["values"]), self.codebook.indices).decode()
