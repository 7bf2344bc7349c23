"""XNOR-Net: weights of +-alpha, inputs of +-1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgecompress.methods.binary.scheme import Scheme
from edgecompress.methods.binary.step import BinaryStep
from edgecompress.methods.step import option


@dataclass(frozen=True)
class XNORNet(BinaryStep):
    """Compute with the signs of weights and of inputs, each filter's multiplied by its mean magnitude.

    `y = conv(sign(x), sign(w)) alpha K`, `alpha = mean |w|` over a filter; the order is batch norm, sign,
    convolution, pool. K = 1, or with `input_scale` the mean of |x| over the window of each output, which costs a
    float branch and forbids integer thresholds. Rastegari et al., XNOR-Net, arXiv:1603.05279, section 3.2.
    """

    name: ClassVar[str] = "xnor_net"
    paper: ClassVar[str] = "Rastegari et al. 2016, arXiv:1603.05279"
    summary: ClassVar[str] = "weights and inputs of one bit, and a scale for each filter"

    input_scale: bool = option(False, "multiply by K, as the paper does")

    def scheme(self) -> Scheme:
        """Binary weights with a scale, and binary inputs."""
        return Scheme(binary_inputs=True, scaled=True, input_scale=self.input_scale)
