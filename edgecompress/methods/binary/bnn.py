"""BNN: weights and inputs of +-1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgecompress.methods.binary.scheme import Scheme
from edgecompress.methods.binary.step import BinaryStep


@dataclass(frozen=True)
class BNN(BinaryStep):
    """Compute with the signs of weights and of inputs, so that a product is one exclusive or.

    `y = conv(sign(x), sign(w))`, `d sign(x)/dx = 1[|x| <= 1]`, latent weights clipped to [-1, 1]; a batch norm
    before each sign. Courbariaux et al., Binarized Neural Networks, arXiv:1602.02830.
    """

    name: ClassVar[str] = "bnn"
    paper: ClassVar[str] = "Courbariaux et al. 2016, arXiv:1602.02830"
    summary: ClassVar[str] = "weights and inputs of one bit"

    def scheme(self) -> Scheme:
        """Binary weights and inputs without a scale."""
        return Scheme(binary_inputs=True, scaled=False)
