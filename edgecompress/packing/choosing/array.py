"""How the bytes of a constant tensor are best coded: every coding that fits is tried, and the smallest wins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgecompress.numerics.codecs.bit_packing import unpack_bits
from edgecompress.packing.choosing.channel_codebook import find_channel_codebook
from edgecompress.packing.choosing.scales import find_scales
from edgecompress.packing.choosing.symbol_search import code_symbols
from edgecompress.packing.codings import Codebook, Coding, Fill, Packed, Planes, Raw, Scaled, ScaledCodebook, Sparse
from edgecompress.packing.codings.composed import MAX_HOLES
from edgecompress.packing.codings.planes import WIDTHS, split
from edgecompress.packing.wire import Writer

MIN_HOLES = 0.1  # share of an element from which on a mask is tried
MAX_CODEBOOK = 256
FLOAT_BYTES = 4
MIN_PLACES_PER_SCALE = 8


@dataclass(frozen=True)
class Array:
    """Bytes with what is known of them: the width of an element, whether it is a float, and the shape as a matrix."""

    data: np.ndarray  # uint8
    width: int  # bytes of an element; 1, 2, 4 or 8
    is_float: bool = False
    bits: int = 0  # 2 or 4 where numbers share bytes
    channels: int = 0  # rows of the array as a matrix of one channel a row; 0: not known


def smallest(array: Array) -> Coding:
    """Return the smallest coding of an array."""
    return min(_candidates(array), key=coded_bytes)


def coded_bytes(coding: Coding) -> int:
    """Return how many bytes a coding writes, before the parameters are compressed."""
    parameters, payloads = Writer(), Writer()
    coding.write_inside(parameters, payloads)
    return len(parameters.parts) + len(payloads.parts)


def payload_bytes(coding: Coding) -> int:
    """Return how many bytes of a packed file are a coding's alone: its parameters are compressed with all others'."""
    parameters, payloads = Writer(), Writer()
    coding.write_inside(parameters, payloads)
    return len(payloads.parts)


def _candidates(array: Array) -> Iterator[Coding]:
    data, width = array.data, array.width
    yield Raw(data.tobytes())
    if array.bits:
        numbers = unpack_bits(data.tobytes(), bits=array.bits, count=len(data) * 8 // array.bits).astype(np.uint8)
        yield Packed(array.bits, code_symbols(numbers, channels=array.channels))
        return
    if len(data) % width or not len(data):
        return
    if width == 1:
        yield code_symbols(data, channels=array.channels)
        yield from _sparse(array, data)
        return
    elements = data.view(f"<u{width}")
    yield Planes(width, array.is_float, _planes(elements, array))
    yield from _codebook(array, elements)
    yield from _sparse(array, elements)
    if array.is_float and width == FLOAT_BYTES:
        yield from _scaled(array)
        yield from _scaled_codebook(array)


def _planes(elements: np.ndarray, array: Array) -> tuple[Coding, ...]:
    first, *others = split(elements, rotated=array.is_float)
    origin = int(first.max()) if array.is_float and len(first) else None  # exponents: how far below the largest
    return (
        code_symbols(first, channels=array.channels, origin=origin),
        *(code_symbols(other) for other in others),
    )


def _codebook(array: Array, elements: np.ndarray) -> Iterator[Coding]:
    if len(np.unique(elements[:4096])) > MAX_CODEBOOK:
        return
    values, indices = np.unique(elements, return_inverse=True)
    if len(values) > MAX_CODEBOOK:
        return
    if len(values) == 1:
        yield Fill(values.tobytes())
        return
    order = np.argsort(values.view(f"<f{array.width}"), kind="stable") if array.is_float else np.arange(len(values))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    values, indices = values[order], rank[indices]
    coded = code_symbols(indices.astype(np.uint8), channels=array.channels)
    listed = Array(values.view(np.uint8), array.width, array.is_float)
    yield Codebook(array.width, len(values), _values(listed), coded)


def _values(array: Array) -> Coding:
    """Return the coding of a short list of elements: planes or as they are."""
    candidates: list[Coding] = [Raw(array.data.tobytes())]
    if array.width in WIDTHS:
        candidates.append(Planes(array.width, array.is_float, _planes(array.data.view(f"<u{array.width}"), array)))
    return min(candidates, key=coded_bytes)


def _sparse(array: Array, elements: np.ndarray) -> Iterator[Coding]:
    values, counts = np.unique(elements, return_counts=True)
    frequent = np.argsort(-counts, kind="stable")[:MAX_HOLES]
    shares = counts[frequent] / len(elements)
    holes = values[frequent[shares >= MIN_HOLES]]
    mask = np.full(len(elements), len(holes), np.uint8)
    for number, hole in enumerate(holes):
        mask[elements == hole] = number
    left = elements[mask == len(holes)]
    if not len(holes) or not len(left):
        return
    inside = _smallest_dense(Array(left.view(np.uint8), array.width, array.is_float))
    coded = code_symbols(mask, channels=array.channels, origin=0)
    yield Sparse(array.width, tuple(hole.tobytes() for hole in holes), len(left), coded, inside)


def _smallest_dense(array: Array) -> Coding:
    """Return the smallest coding of elements none of which stands out."""
    if array.width == 1:
        return code_symbols(array.data)
    elements = array.data.view(f"<u{array.width}")
    planes = Planes(array.width, array.is_float, _planes(elements, array))
    return min(Raw(array.data.tobytes()), planes, *_codebook(array, elements), key=coded_bytes)


def _scaled_codebook(array: Array) -> Iterator[Coding]:
    """Yield shared values times scales where the channels are the first or the last axis."""
    for matrix, channels, inner in _by_channel(array):
        found = find_channel_codebook(matrix)
        if found is not None:
            indices = found.indices.T if inner == 1 else found.indices
            yield ScaledCodebook(
                channels,
                inner,
                len(found.values),
                _values(Array(found.scales.view(np.uint8), FLOAT_BYTES, True)),
                _values(Array(found.values.view(np.uint8), FLOAT_BYTES, True)),
                smallest(Array(found.steps.ravel().view(np.uint8), 1)),
                code_symbols(np.ascontiguousarray(indices).ravel(), channels=array.channels),
            )


def _by_channel(array: Array) -> Iterator[tuple[np.ndarray, int, int]]:
    """Yield the array as float32 [channels, elements], the channels its rows and its columns, with the inner length."""
    rows, places = array.channels, len(array.data) // FLOAT_BYTES
    if rows:
        matrix = array.data.view("<f4").reshape(rows, -1)
        for turned, channels, inner in ((matrix, rows, places // rows), (matrix.T, places // rows, 1)):
            if places >= MIN_PLACES_PER_SCALE * channels:
                yield np.ascontiguousarray(turned), channels, inner


def _scaled(array: Array) -> Iterator[Coding]:
    """Yield integers times scales where the channels are the first or the last axis."""
    for matrix, count, inner in _by_channel(array):
        found = find_scales(matrix)
        if found is None:
            continue
        scales, integers, steps = (each.T if inner == 1 and each.ndim > 1 else each for each in found)
        numbers, moves = (np.ascontiguousarray(each).ravel().view(np.uint8) for each in (integers, steps))
        yield Scaled(
            count,
            inner,
            _values(Array(scales.view(np.uint8), FLOAT_BYTES, True)),
            smallest(Array(numbers, 1, channels=array.channels)),
            smallest(Array(moves, 1)),
        )
