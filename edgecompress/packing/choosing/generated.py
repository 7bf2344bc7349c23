"""Which tensor of a file a generator made, in which order of axes, and the segment that makes it again."""

from __future__ import annotations

from itertools import permutations
from math import prod

import numpy as np

from edgecompress.packing.choosing.array import Array, smallest
from edgecompress.packing.generators import FLOAT_BYTES, MAX_AXES, Axis, Generator
from edgecompress.packing.regions.region import Region
from edgecompress.packing.segment import GENERATED
from edgecompress.packing.wire import Writer


def layout(generator: Generator, region: Region, content: bytes) -> tuple[Axis, ...] | None:
    """Return how the tensor of a region is laid out, if its bytes are those that the generator makes; else None."""
    shape = region.shape
    rows, columns = generator.matrix_shape
    size = rows * columns
    if not region.is_float or region.width != FLOAT_BYTES or region.size_bytes != FLOAT_BYTES * size:
        return None
    if prod(shape) != size or len(shape) > MAX_AXES:
        return None
    stored = np.frombuffer(content, "<u4", size, region.start).reshape(shape)
    matrix = generator.elements(*np.divmod(np.arange(size), columns)).astype("<f4").view("<u4")
    for order in permutations(range(len(shape))):  # Keras's axes, each where it stands in the file
        if shape[order[-1]] == columns and np.array_equal(stored.transpose(order).ravel(), matrix):
            return tuple(_axis(shape, order, axis) for axis in range(len(shape)))
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


def _axis(shape: tuple[int, ...], order: tuple[int, ...], axis: int) -> Axis:
    place = order.index(axis)
    if place == len(order) - 1:
        return Axis(shape[axis], 0, 1)
    return Axis(shape[axis], prod(shape[other] for other in order[place + 1 : -1]), 0)
