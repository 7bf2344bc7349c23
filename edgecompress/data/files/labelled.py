"""Image files with labels, divided and read: what a folder and a table have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgecompress.data.base import Dataset, Request, Split
from edgecompress.data.files.images import name_some
from edgecompress.data.files.pictures import Wanted, read_pictures
from edgecompress.data.rows import rows
from edgecompress.data.stratified import stratified_mask
from edgecompress.errors import DataError

KINDS = ("train", "test", "val")


@dataclass(frozen=True)
class LabelledFile:
    """An image file, the number of its class or what should be answered, and one of `KINDS`."""

    path: Path
    label: int | tuple[float, ...]
    kind: str = "train"


def read_labelled(
    files: Sequence[LabelledFile],
    names: tuple[str, ...],
    request: Request,
    *,
    source: str,
    divided: bool,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Read the files, divide those that are not `divided` yet, and say which are damaged and left out.

    Images become of the size that is asked for by Pillow's bilinear filter, which averages when it shrinks.

    Raises:
        DataError: a class without an image, or what `read_pictures` raises.
    """
    kinds = np.array([KINDS.index(each.kind) for each in files])
    labels = np.array([each.label for each in files])
    labels = labels.astype(np.int64 if labels.ndim == 1 else np.float32)
    if not divided:
        kinds[stratified_mask(labels, names=names, seed=request.seed)] = KINDS.index("test")
    order = np.argsort(kinds, kind="stable")  # so that a part is one piece of the array, wherever that lies
    paths = [files[index].path for index in order]
    size = None if request.size is None else (request.size[1], request.size[0])
    wanted = Wanted(size, request.channels, fit=request.fit)
    found = read_pictures(paths, wanted, on_progress=request.on_progress)  # one call, as all get one size and channels
    kept = order[found.numbers]
    if len(kept) < len(files):
        damaged = sorted({each.path for each in files} - {files[index].path for index in kept})
        notes = (*notes, f"Left out, as damaged, {len(damaged)} of {len(files)}: {name_some(damaged)}.")
    for label, name in enumerate(names if labels.ndim == 1 else ()):
        if not (labels[kept] == label).any():
            raise DataError(f"All images of the class '{name}' in {source} are damaged.", hint="Replace them.")
    splits = [Split(rows(found.pixels, kinds[kept] == kind), labels[kept][kinds[kept] == kind]) for kind in range(3)]
    train, test, held_out = splits
    return Dataset(
        request.spec,
        train,
        test,
        names,
        found.pixels.shape[-1],
        source,
        notes,
        held_out if len(held_out) else None,
    )
