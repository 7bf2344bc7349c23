"""Weights that are a formula of others, theta: how TensorFlow computes them in a training, and NumPy afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.environment import load_tensorflow
from edgecompress.keras_types import Tensor
from edgecompress.numerics.codebook import Codebook, nearest

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


@dataclass(frozen=True, eq=False)
class NearestValues(Decoder):
    """`W_i = c_a(i)`, `a(i) = argmin_j |v_i - c_j|`: each weight v has the nearest of the values c, in each step anew.

    `dL/dc_j = sum_{a(i)=j} dL/dW_i`, and straight through `dL/dv_i = dL/dW_i`, by which a weight comes to another
    value. Where the kernel is zero and its zeros are to be kept, W is zero and belongs to no value. The sums run over
    the weights in their order, value by value, so that they are the same in each run.

    Han et al., Deep Compression, arXiv:1510.00149, section 3; assigned anew as TF-MOT does.
    """

    kernel: np.ndarray
    values: np.ndarray
    keeps_zeros: bool

    def start(self) -> dict[str, np.ndarray]:
        """Return the kernel and the values."""
        return {"latent": self.kernel, "values": self.values}

    def tensor(self, theta: Theta) -> Tensor:
        """Return the nearest value of each weight."""
        zero = (self.kernel == 0) & self.keeps_zeros

        @tensorflow.custom_gradient
        def decode(latent: Tensor, values: Tensor) -> tuple[Tensor, Any]:
            order = tensorflow.argsort(values)  # those that were trained may have passed one another
            ascending = tensorflow.gather(values, order)
            borders = (ascending[1:] + ascending[:-1]) / 2
            found = tensorflow.reshape(tensorflow.searchsorted(borders, tensorflow.reshape(latent, [-1])), zero.shape)
            chosen = tensorflow.where(zero, -1, found)

            def gradient(upstream: Tensor) -> tuple[Tensor, Tensor]:
                upstream = tensorflow.convert_to_tensor(upstream)
                # An index below zero counts nowhere. The CPU divides this sum by segments, not by weights.
                sums = tensorflow.math.unsorted_segment_sum(upstream, chosen, self.values.size)
                return upstream, tensorflow.gather(sums, tensorflow.argsort(order))

            return tensorflow.gather(tensorflow.concat([[0.0], ascending], 0), chosen + 1), gradient

        return decode(*(tensorflow.convert_to_tensor(theta[name]) for name in ("latent", "values")))

    def array(self, theta: Theta) -> np.ndarray:
        """Return the nearest value of each weight."""
        ascending = np.sort(np.asarray(theta["values"]))
        zero = (self.kernel == 0) & self.keeps_zeros
        chosen = np.where(zero, 0, nearest(np.asarray(theta["latent"]), ascending) + 1)
        return Codebook(ascending, chosen).decode()
