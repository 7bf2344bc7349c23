"""Floats that are a few values times a scale of their channel: shared values into which a batch norm was folded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgecompress.packing.codings.base import Coding, Source, damaged, read_channels
from edgecompress.packing.codings.float_product import multiply, step
from edgecompress.packing.wire import Writer


@dataclass(frozen=True)
class ScaledCodebook(Coding):
    """float32 `values[index] * scale[channel]` of [outer, channels, inner], and how many steps of float32 to add.

    The steps are those of each value in each channel, [channels, values].
    """

    kind: ClassVar[int] = 9
    channels: int
    inner: int
    count: int  # of values, at most 256
    scales: Coding
    values: Coding
    steps: Coding  # a byte for each value of each channel, two's complement
    indices: Coding  # a byte for each place

    @property
    def words(self) -> str:
        """Return how many values and scales there are, and how the indices are coded."""
        return f"codebook of {self.count} times {self.channels} scales[{self.indices.words}]"

    def write(self, parameters: Writer, payloads: Writer) -> None:
        """Write the shape, the scales, the values, the steps and the indices."""
        parameters.number(self.channels)
        parameters.number(self.inner)
        parameters.byte(self.count - 1)
        for inside in (self.scales, self.values, self.steps, self.indices):
            inside.write_inside(parameters, payloads)

    @classmethod
    def read(cls, source: Source, size_bytes: int) -> ScaledCodebook:
        """Read the shape, the scales, the values, the steps and the indices."""
        channels, inner = read_channels(source, size_bytes)
        count = source.parameters.byte() + 1
        return cls(
            channels,
            inner,
            count,
            source.coding(channels * 4),
            source.coding(count * 4),
            source.coding(channels * count),
            source.coding(size_bytes // 4),
        )

    def decode(self, size_bytes: int) -> np.ndarray:
        """Make the values of each channel, and look them up."""
        scales = self.scales.decode(self.channels * 4).view("<f4")[:, None]
        values = self.values.decode(self.count * 4).view("<f4")
        products = multiply(values, scales).ravel()
        table = step(products, self.steps.decode(self.channels * self.count)).view("<u4").reshape(self.channels, -1)
        indices = self.indices.decode(size_bytes // 4).reshape(-1, self.channels, self.inner)
        if indices.max() >= self.count:
            raise damaged(f"an index beyond a codebook of {self.count}")
        return table[np.arange(self.channels)[:, None], indices].view(np.uint8).ravel()
