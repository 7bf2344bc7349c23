"""Floats that are small integers times a scale of their channel: fake-quantized kernels, and signs with a magnitude."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgecompress.packing.codings.base import Coding, Source, read_channels
from edgecompress.packing.codings.float_product import multiply, step
from edgecompress.packing.wire import Writer


@dataclass(frozen=True)
class Scaled(Coding):
    """float32 `integer * scale[channel]` of [outer, channels, inner], and how many steps of float32 to add."""

    kind: ClassVar[int] = 6
    channels: int
    inner: int
    scales: Coding
    integers: Coding  # a byte for each place, two's complement
    steps: Coding  # likewise

    @property
    def words(self) -> str:
        """Return how many scales there are, and how the integers are coded."""
        return f"{self.channels} scales times integers[{self.integers.words}], steps[{self.steps.words}]"

    def write(self, parameters: Writer, payloads: Writer) -> None:
        """Write the shape, the scales, the integers and the steps."""
        parameters.number(self.channels)
        parameters.number(self.inner)
        self.scales.write_inside(parameters, payloads)
        self.integers.write_inside(parameters, payloads)
        self.steps.write_inside(parameters, payloads)

    @classmethod
    def read(cls, source: Source, size_bytes: int) -> Scaled:
        """Read the shape, the scales, the integers and the steps."""
        (channels, inner), places = read_channels(source, size_bytes), size_bytes // 4
        return cls(channels, inner, source.coding(channels * 4), source.coding(places), source.coding(places))

    def decode(self, size_bytes: int) -> np.ndarray:
        """Multiply, each product rounded by itself, and add the steps to the bit patterns."""
        scales = self.scales.decode(self.channels * 4).view("<f4").reshape(1, self.channels, 1)
        integers = self.integers.decode(size_bytes // 4).view(np.int8).astype(np.float32)
        products = multiply(integers.reshape(-1, self.channels, self.inner), scales)
        return step(products.ravel(), self.steps.decode(size_bytes // 4))
