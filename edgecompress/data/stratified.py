"""Seeded choices that keep the proportions of the classes, where there are such: an order, and a split in two."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecompress.data.base import Split
from edgecompress.errors import DataError

TEST_FRACTION = 0.2


def stratified_order(labels: np.ndarray, *, seed: int) -> np.ndarray:
    """Order all indices at random such that every prefix holds the classes in proportion.

    Image number `r` (at random, from 0) of a class of `n` images has the key `(r + u) / n`, where `u`, uniform in
    [0, 1), is drawn once a class; indices are sorted by key. The keys below `t` are the share `t` of each class,
    rounded up or down, so that a prefix of equally large classes holds them equally often, to within one image. A
    prefix is contained in each longer one. Samples whose labels (N, ...) are no classes are all of one.
    """
    labels = _classes(labels)
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(labels))
    keys = np.empty(len(labels))
    for label in np.unique(labels):
        positions = np.flatnonzero(labels[shuffled] == label)
        keys[positions] = (np.arange(len(positions)) + generator.random()) / len(positions)
    return shuffled[np.argsort(keys, kind="stable")]


def stratified_split(
    split: Split, *, names: Sequence[str], seed: int, fraction: float = TEST_FRACTION
) -> tuple[Split, Split]:
    """Divide into a larger and a smaller split; the smaller gets `fraction` of each class, at least one image.

    Raises:
        DataError: a class (named from `names`) has fewer than two images.
    """
    chosen = stratified_mask(split.labels, names=names, seed=seed, fraction=fraction)
    return split.only(~chosen), split.only(chosen)


def stratified_mask(
    labels: np.ndarray, *, names: Sequence[str], seed: int, fraction: float = TEST_FRACTION
) -> np.ndarray:
    """Return, for each of the labels, whether it belongs to the smaller split.

    Samples whose labels (N, ...) are no classes are all of one.

    Raises:
        DataError: a class (named from `names`) has fewer than two images.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    chosen = np.zeros(len(labels), dtype=bool)
    classes = _classes(labels)
    for label, name in enumerate(names if classes is labels else ("every sample's",)):
        members = order[classes[order] == label]
        if len(members) < 2:
            raise DataError(
                f"Class {name!r} has {len(members)} image(s); two are needed to have one to train and one to test with."
            )
        chosen[members[: max(1, round(fraction * len(members)))]] = True
    return chosen


def _classes(labels: np.ndarray) -> np.ndarray:
    return labels if labels.dtype.kind in "iu" and labels.ndim == 1 else np.zeros(len(labels), np.int64)
