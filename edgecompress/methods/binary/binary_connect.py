"""BinaryConnect: weights of +-1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgecompress.methods.binary.scheme import Scheme
from edgecompress.methods.binary.step import BinaryStep
from edgecompress.methods.step import option


@dataclass(frozen=True)
class BinaryConnect(BinaryStep):
    """Compute with the signs of real weights, and train the real weights by the gradient of the signs.

    `w_b = sign(w)`, or +1 with probability `clip((w + 1) / 2, 0, 1)` while training if `stochastic`;
    `w <- clip(w - step(dL/dw_b), -1, 1)`. Inference takes sign(w). Courbariaux et al., arXiv:1511.00363.
    """

    name: ClassVar[str] = "binary_connect"
    paper: ClassVar[str] = "Courbariaux et al. 2015, arXiv:1511.00363"
    summary: ClassVar[str] = "weights of one bit"

    stochastic: bool = option(False, "draw the signs while training")

    def scheme(self) -> Scheme:
        """Binary weights without a scale."""
        return Scheme(binary_inputs=False, scaled=False, stochastic=self.stochastic)
