"""Tensors that a method generates: the packed file holds the method's parameters, and where each element comes from.

A segment of kind 2 is one such tensor, of any size, because its elements can be made one after another.

    byte     generator: 0 vectors, 1 hashed
    byte     axes of the tensor in the file; each: number length, number row_stride, number column_stride
             what the generator needs
    number   directory_bytes, directory: the coding of each of the generator's arrays; payloads

The element at (a, b, ...) is that of the generator's matrix [inputs, outputs] in row a s_a + b s_b + ..., and in the
column likewise: so the order of axes may differ from format to format.
"""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from edgecompress.packing.codings import KINDS
from edgecompress.packing.codings.base import MAX_BYTES, Source, Work, damaged
from edgecompress.packing.generators import FLOAT_BYTES, GENERATORS, MAX_AXES, Axis, Generator
from edgecompress.packing.wire import Reader

MAX_LENGTH = 1 << 24
CHUNK = 1 << 18  # elements that are made at once


def unpack_generated(reader: Reader, size_bytes: int, work: Work) -> bytes:
    """Return the bytes of a segment of kind 2, behind its kind.

    Raises:
        PackedFileError: it is damaged.
    """
    kind = reader.byte(most=len(GENERATORS) - 1)
    axes = tuple(Axis(*(reader.number(most=MAX_LENGTH) for _ in range(3))) for _ in range(reader.byte(most=MAX_AXES)))
    count = prod(axis.length for axis in axes)
    if count * FLOAT_BYTES != size_bytes or not count or not axes:
        raise damaged(f"a generated tensor of {count} elements where {size_bytes} bytes belong")
    generator = GENERATORS[kind].read(reader, partial(_arrays, work))
    rows, columns = (sum((each.length - 1) * each[step] for each in axes) for step in (1, 2))
    if rows >= generator.matrix_shape[0] or columns >= generator.matrix_shape[1]:
        raise damaged(f"a generated tensor reaches row {rows}, column {columns} of {generator.matrix_shape}")
    shape = [axis.length for axis in axes]
    parts = []
    for start in range(0, count, CHUNK):
        places = np.unravel_index(np.arange(start, min(start + CHUNK, count)), shape)
        row, column = (
            np.sum([place * axis[step] for place, axis in zip(places, axes, strict=True)], axis=0) for step in (1, 2)
        )
        parts.append(generator.elements(row, column).astype("<f4").tobytes())
    return b"".join(parts)


def _arrays(work: Work, reader: Reader, sizes: list[int]) -> list[np.ndarray]:
    """Read the generator's arrays, of so many bytes each."""
    directory = Reader(reader.bytes(reader.number(most=MAX_BYTES)), "a directory")
    source = Source(directory, Reader(reader.bytes(reader.left), "a segment"), KINDS, work)
    codings = [source.coding(size) for size in sizes]
    source.parameters.finish()
    source.payloads.finish()
    return [coding.decode(size) for coding, size in zip(codings, sizes, strict=True)]


__all__ = ["Generator", "unpack_generated"]
