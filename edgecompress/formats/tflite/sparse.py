"""The sparse constants of a `.tflite` file: levels of dimensions, dense or compressed, and blocks within them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecompress.errors import ModelFileError
from edgecompress.formats.tflite.tables import Budget, names_of


@dataclass(frozen=True, eq=False)
class SparseLevel:
    """One level: every index below `size`, or below parent p those in `indices[segments[p]:segments[p + 1]]`."""

    size: int
    segments: np.ndarray | None = None
    indices: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Sparsity:
    """How stored elements lie in a tensor of rank r: level i runs over axis `traversal[i]`, or, from r on, in a block.

    Axis `block_map[b]` is cut into blocks; the level that `traversal` calls r + b counts inside of one.
    """

    traversal: tuple[int, ...]
    block_map: tuple[int, ...]
    levels: tuple[SparseLevel, ...]


def read_sparsity(budget: Budget, table: Any, shape: tuple[int, ...], where: str) -> Sparsity | None:
    """Return the structure of a tensor that is stored sparsely.

    Raises:
        ModelFileError: its parts contradict each other.
    """
    if table is None:
        return None
    traversal, block_map = budget.vector(table, "TraversalOrder", where), budget.vector(table, "BlockMap", where)
    levels = tuple(
        _level(budget, level, where)
        for _, level in budget.tables(f"levels of {where}", table.DimMetadataLength(), table.DimMetadata)
    )
    axes = len(shape) + len(block_map)
    if sorted(traversal) != list(range(axes)) or len(levels) != axes or not set(block_map) <= set(range(len(shape))):
        raise ModelFileError(f"{where}: a sparse structure of {len(levels)} levels in the order {traversal}.")
    return Sparsity(tuple(traversal), tuple(block_map), levels)


def _level(budget: Budget, table: Any, where: str) -> SparseLevel:
    from ai_edge_litert import schema_py_generated as schema

    if table.Format() == schema.DimensionType.DENSE:
        return SparseLevel(table.DenseSize())
    segments = _indices(budget, table.ArraySegmentsType(), table.ArraySegments(), where)
    indices = _indices(budget, table.ArrayIndicesType(), table.ArrayIndices(), where)
    return SparseLevel(0, segments, indices)


def _indices(budget: Budget, code: int, union: Any, where: str) -> np.ndarray:
    from ai_edge_litert import schema_py_generated as schema

    kind = names_of(schema.SparseIndexVector).get(code, "NONE")
    if kind == "NONE" or union is None:
        raise ModelFileError(f"{where}: a compressed level of its sparse structure lists no indices.")
    vector = getattr(schema, kind)()
    vector.Init(union.Bytes, union.Pos)
    return np.array(budget.vector(vector, "Values", where), np.int64)


def densify(stored: np.ndarray, shape: tuple[int, ...], sparsity: Sparsity) -> np.ndarray:
    """Put the stored elements in their places, zeros elsewhere; one array operation a level.

    Raises:
        ModelFileError: the structure is contradictory, or points outside of the stored elements or of the shape.
    """
    try:
        coordinates, position = _walk(sparsity, limit=math.prod(shape))
        place = _places(coordinates, len(shape), sparsity)
        if (place < 0).any() or (place >= np.array(shape)[:, None]).any():
            raise ModelFileError(f"A sparse structure points outside of the shape {shape}.")
        dense = np.zeros(shape, stored.dtype)
        dense[tuple(place)] = stored[position]
    except (IndexError, ValueError) as error:
        raise ModelFileError(f"A sparse structure for the shape {shape} is damaged: {error}.") from error
    return dense


def _walk(sparsity: Sparsity, *, limit: int) -> tuple[list[np.ndarray], np.ndarray]:
    """For each stored element its coordinate in every level, and its position in the store."""
    position = np.zeros(1, np.int64)
    coordinates: list[np.ndarray] = []
    for level in sparsity.levels:
        if level.segments is None or level.indices is None:
            counts = np.full(position.size, level.size)
            starts = position * level.size
        else:
            counts, starts = np.diff(level.segments)[position], level.segments[position]
        total = int(counts.sum())
        if total > limit:
            raise ModelFileError(f"A sparse structure names {total} elements where the tensor has {limit}.")
        parents = np.repeat(np.arange(position.size), counts)
        position = np.arange(total) + np.repeat(starts - np.cumsum(counts) + counts, counts)
        index = position - starts[parents] if level.indices is None else level.indices[position]
        coordinates = [coordinate[parents] for coordinate in coordinates] + [index]
    return coordinates, position


def _places(coordinates: list[np.ndarray], rank: int, sparsity: Sparsity) -> np.ndarray:
    """Coordinates by axis (rank x elements) from coordinates by level."""
    size_of_level = dict(zip(sparsity.traversal, (level.size for level in sparsity.levels), strict=True))
    block_size = {axis: size_of_level[rank + block] for block, axis in enumerate(sparsity.block_map)}
    place = np.zeros((rank, coordinates[-1].size), np.int64)
    for name, coordinate in zip(sparsity.traversal, coordinates, strict=True):
        if name < rank:
            place[name] += coordinate * block_size.get(name, 1)
        else:
            place[sparsity.block_map[name - rank]] += coordinate
    return place
