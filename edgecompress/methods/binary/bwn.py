"""Binary-Weight-Network: weights of +-alpha."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgecompress.methods.binary.scheme import Scheme
from edgecompress.methods.binary.step import BinaryStep


@dataclass(frozen=True)
class BWN(BinaryStep):
    """Compute with the signs of real weights, each filter's multiplied by its mean magnitude.

    `w_b = alpha sign(w)`, `alpha = mean |w|` over the n weights of a filter, the closest in least squares;
    `dL/dw = dL/dw_b (1/n + alpha 1[|w| <= 1])`. Rastegari et al., XNOR-Net, arXiv:1603.05279, section 3.1.
    """

    name: ClassVar[str] = "bwn"
    paper: ClassVar[str] = "Rastegari et al. 2016, arXiv:1603.05279"
    summary: ClassVar[str] = "weights of one bit, and a scale for each filter"

    def scheme(self) -> Scheme:
        """Binary weights with a scale."""
        return Scheme(binary_inputs=False, scaled=True)
