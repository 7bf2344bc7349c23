"""Which tensor of a file a generator made, in which order of axes, and the segment that makes it again."""

from __future__ import annotations

from itertools import permutations
from math import prod

import numpy as np

from edgecompress.packing.choosing.array import Array, smallest
from edgecompress.packing.generators import FLOAT_BYTES, Axis, Generator
from edgecompress.packing.regions.region import Region
from edgecompress.packing.segment import GENERATED
from edgecompress.packing.wire import Writer


def layout(generator: Generator, region: Region, content: bytes) -> tuple[Axis, ...] | None:
    """Return how the tensor of a region is laid out, if its bytes are those that the generator makes; else None."""
    shape = generator.kernel_shape
    size = prod(shape)
    if not region.is_float or region.width != FLOAT_BYTES or region.size_bytes != FLOAT_BYTES * size:
        return None
    stored = np.frombuffer(content, "<u4", size, region.start)
    rows, columns = np.divmod(np.arange(size), shape[-1])
    kernel = generator.elements(rows, columns).astype("<f4").view("<u4").reshape(shape)
    for order in permutations(range(len(shape))):
        if np.array_equal(kernel.transpose(order).ravel(), stored):
            return tuple(_axis(shape, axis) for axis in order)
    return None


def pack_generated(generator: Generator, axes: tuple[Axis, ...]) -> bytes:
    """Return a segment of kind 2."""
    packed, directory, payloads = Writer(), Writer(), Writer()
    packed.byte(GENERATED)
    packed.byte(generator.kind)
    packed.byte(len(axes))
    for axis in axes:
        for number in axis:
            packed.number(number)
    first, *others = generator.write(packed)
    for array in (Array(first, FLOAT_BYTES, is_float=True), *(Array(each, 1) for each in others)):
        smallest(array).write_inside(directory, payloads)
    packed.number(len(directory.parts))
    packed.bytes(directory.parts)
    packed.bytes(payloads.parts)
    return bytes(packed.parts)


def _axis(shape: tuple[int, ...], axis: int) -> Axis:
    last = axis == len(shape) - 1
    return Axis(shape[axis], 0 if last else prod(shape[axis + 1 : -1]), int(last))
